"""An entry: how a client starts this server, and under which name."""

from dataclasses import dataclass
from pathlib import PurePath

PROGRAM = "connected-apps-mcp"
MODULE = "connected_apps_mcp"
NAME = "connected-apps"
"""The name of an entry for the default profile. Others have a suffix."""


@dataclass(frozen=True)
class Entry:
    """An entry, before a client's own shape.

    Attributes:
        name: what the client calls the server.
        command: the words that start the server: the program, then its arguments.
    """

    name: str
    command: tuple[str, ...]

    @property
    def program(self) -> str:
        """The program to start."""
        return self.command[0]

    @property
    def arguments(self) -> list[str]:
        """The arguments of the program."""
        return list(self.command[1:])


def name_for(profile: str | None, *, sandbox: bool) -> str:
    """The name of the entry for a profile, or for the sandbox."""
    if sandbox:
        return f"{NAME}-sandbox"
    return NAME if profile in {None, "default"} else f"{NAME}-{profile}"


def is_name(name: str) -> bool:
    """Whether an entry of ours may have this name."""
    return name == NAME or name.startswith(f"{NAME}-")


def starts_us(shaped: object) -> bool:
    """Whether an entry, in the shape of any client, starts this server."""
    return any(PurePath(word).stem in {PROGRAM, MODULE} for word in command_of(shaped))


def command_of(shaped: object) -> list[str]:
    """The words that an entry starts, whatever the shape; none if it starts nothing."""
    if not isinstance(shaped, dict):
        return []
    program = shaped.get("command", shaped.get("cmd"))
    return [*_words(program), *_words(shaped.get("args"))]


def environment_of(shaped: object) -> dict[str, str]:
    """The variables that an entry sets, whatever the shape. They may hold secrets."""
    if not isinstance(shaped, dict):
        return {}
    given = [shaped.get(key) for key in ("env", "envs", "environment")]
    pairs = (pair for each in given if isinstance(each, dict) for pair in each.items())
    return {name: value for name, value in pairs if isinstance(value, str)}


def _words(value: object) -> list[str]:
    words = value if isinstance(value, list) else [value]
    return [word for word in words if isinstance(word, str)]
