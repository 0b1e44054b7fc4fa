"""The two servers, as processes behind an MCP client, on the apps in a sandbox's file."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.text import TextReceiveStream
from mcp import Client, StdioServerParameters

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS
from conversation import Conversation

SERVER = ["-P", "-m", "connected_apps_mcp"]

SANDBOX_ENVIRONMENT = {
    "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
    "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
}

CLIENTS = "/v1/connected_apps/clients"

APP_TOOLS = {
    "create_app": ("post", CLIENTS),
    "get_app": ("get", f"{CLIENTS}/{{client_id}}"),
    "update_app": ("put", f"{CLIENTS}/{{client_id}}"),
    "delete_app": ("delete", f"{CLIENTS}/{{client_id}}"),
    "search_apps": ("post", f"{CLIENTS}/search"),
}
"""The five app tools, with the operation that each is called after in a generated server."""


class CannotCompare(Exception):
    """The generated server cannot be made. The text says why, and the way out."""


Server = Callable[[Path], AbstractAsyncContextManager[Conversation]]
"""Starts a server on the apps in a sandbox's file."""


@asynccontextmanager
async def here(database: Path) -> AsyncIterator[Conversation]:
    """This project's server."""
    arguments = ["--sandbox", "--sandbox-db", str(database), "--secret-store", "none"]
    arguments += ["--data-dir", str(database.parent / "data")]
    parameters = StdioServerParameters(command=sys.executable, args=[*SERVER, *arguments])
    async with Client(parameters) as client:
        yield await Conversation.begin(client, {tool: tool for tool in APP_TOOLS})


def generated(description: Path) -> Server:
    """The server that FastMCP generates from this OpenAPI description.

    Raises:
        CannotCompare: FastMCP is not installed, or the description lacks an operation on apps.
    """
    names = generated_names(json.loads(description.read_text("utf-8")))
    script = Path(__file__).parent / "peers" / "generated_server.py"

    @asynccontextmanager
    async def start(database: Path) -> AsyncIterator[Conversation]:
        async with sandbox_on(database) as url:
            parameters = StdioServerParameters(
                command=sys.executable,
                args=[str(script), str(description), "stdio", "0"],
                env={**SANDBOX_ENVIRONMENT, "SERVICE_URL": url},
            )
            async with Client(parameters) as client:
                yield await Conversation.begin(client, names)

    return start


def generated_names(description: dict[str, Any]) -> dict[str, str]:
    """The names of the five app tools in the server that is generated from this description.

    Raises:
        CannotCompare: FastMCP is not installed, or the description lacks an operation on apps.
    """
    if find_spec("fastmcp") is None:
        raise CannotCompare("FastMCP is not installed; the extra `bench` brings it.")
    try:
        return {
            tool: description["paths"][path][method]["operationId"]
            for tool, (method, path) in APP_TOOLS.items()
        }
    except KeyError as missing:
        raise CannotCompare(f"The OpenAPI description has no {missing}.") from None


@asynccontextmanager
async def sandbox_on(database: Path, *options: str) -> AsyncIterator[str]:
    """The URL of a sandbox on a free loopback port."""
    command = [sys.executable, *SERVER, "sandbox", "serve", "--port", "0", "--db", str(database)]
    command += options
    async with await anyio.open_process(
        command, env=os.environ | SANDBOX_ENVIRONMENT, stderr=None
    ) as process:
        try:
            assert process.stdout
            yield (await TextReceiveStream(process.stdout).receive()).split()[-1]
        finally:
            process.terminate()
