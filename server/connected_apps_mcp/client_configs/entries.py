"""An entry: how a client starts this server, and under which name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

PROGRAM = "connected-apps-mcp"
MODULE = "connected_apps_mcp"
NAME = "connected-apps"
"""The name of an entry for the default profile. Others have a suffix."""

SECRET_WORD = re.compile(r"STYTCH_SECRET=\S+|\bsecret-(?:test|live)-\S+")
"""A secret among the words of a command line."""


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
    """Whether `name_for` may have given this name."""
    return bool(re.fullmatch(NAME + r"(-[a-z0-9-]+)?", name))


def starts_us(shaped: object) -> bool:
    """Whether an entry, in the shape of any client, starts this server.

    A path that ends in our name counts only as the program: as an argument of another server it
    may be a checkout that this server works on.
    """
    program, *arguments = command_of(shaped) or [""]
    return PurePath(program).stem == PROGRAM or not {PROGRAM, MODULE}.isdisjoint(arguments)


def is_same(earlier: object, wanted: Mapping[str, Any]) -> bool:
    """Whether an earlier entry does what the wanted one does.

    Clients, and people in them, add settings to an entry. Only what it adds to the environment
    makes it another one.
    """
    if not isinstance(earlier, dict):
        return False
    variables = [environment_of(entry) for entry in (earlier, wanted)]
    return wanted.items() <= earlier.items() and variables[0] == variables[1]


def without_values(shaped: object) -> object:
    """An entry to show: the values of its environment and headers may be credentials.

    So may be words of its command.
    """
    if isinstance(shaped, str):
        return SECRET_WORD.sub("***", shaped)
    if isinstance(shaped, list):
        return [without_values(each) for each in shaped]
    if not isinstance(shaped, dict):
        return shaped
    return {
        key: dict.fromkeys(value, "***") if isinstance(value, dict) else without_values(value)
        for key, value in shaped.items()
    }


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
