"""Starts a server as a client does, lists its tools, and stops it."""

import os
from tempfile import TemporaryFile
from typing import TextIO, cast

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client

from connected_apps_mcp.diagnosis.entries import Launch
from connected_apps_mcp.settings.credentials import PREFIX
from connected_apps_tools.text.printable import printable

MAX_LAST_WORDS = 300
"""Most characters to show of what a server says before it ends."""


class DoesNotStart(Exception):
    """The server did not list its tools. The text says why, as the end of a sentence."""


async def tools_of(launch: Launch, seconds: float) -> int:
    """The number of tools that the server lists.

    It is started with the variables of the launch and those of this process, but without ours: a
    client that is started from the desktop does not have them. Its whole process group ends here.

    Raises:
        DoesNotStart: it did not list them in time.
    """
    with TemporaryFile("w+", errors="replace") as words:
        server = StdioServerParameters(
            command=launch.command,
            args=list(launch.arguments),
            env=_environment() | dict(launch.environment),
        )
        try:
            with anyio.fail_after(seconds):
                async with Client(stdio_client(server, cast("TextIO", words))) as client:
                    return len((await client.list_tools()).tools)
        except TimeoutError:
            raise DoesNotStart(f"does not list its tools within {seconds:g} seconds") from None
        except (OSError, ValueError):
            raise DoesNotStart("cannot be started") from None
        except (MCPError, BaseExceptionGroup):
            words.seek(0)
            last = words.read()[-MAX_LAST_WORDS:].strip().rpartition("\n")[2]
            said = f" It says: {printable(last)}" if last else ""
            raise DoesNotStart(f"ends, or does not speak MCP.{said}") from None


def _environment() -> dict[str, str]:
    ours = ("STYTCH_", PREFIX)
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
