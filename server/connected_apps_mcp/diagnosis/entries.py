"""The entries of this server in the configurations of MCP clients."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from connected_apps_mcp.client_configs.clients import CLIENTS, Scope
from connected_apps_mcp.client_configs.entries import PROGRAM, command_of, environment_of
from connected_apps_mcp.client_configs.installing import Place, Refused


@dataclass(frozen=True)
class Launch:
    """How a client starts a server.

    Attributes:
        environment: the variables that it sets. They may hold secrets.
    """

    command: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class FoundEntry:
    """An entry of this server in the configuration of a client.

    Attributes:
        client: the client, as people call it.
        install: the words of the command that installs the entry anew.
        file: the configuration.
        name: the name of the entry.
        launch: what it starts.
        shared: whether the file is that of a project, which others may have written.
    """

    client: str
    install: Sequence[str]
    file: Path
    name: str
    launch: Launch
    shared: bool = False

    def __str__(self) -> str:
        """The entry, for a person."""
        return f"The entry {self.name} of {self.client} ({self.file})"


@dataclass(frozen=True)
class UnreadableConfiguration:
    """A configuration that cannot be read."""

    client: str
    why: str


def known_entries() -> Iterator[FoundEntry | UnreadableConfiguration]:
    """What the clients on this machine know of this server, for the user and in this folder."""
    seen: set[Path] = set()
    for client in CLIENTS:
        for scope in get_args(Scope):
            file = client.config(scope)
            if file and file not in seen:
                seen.add(file)
                yield from _entries_in(Place(client, scope, file))


def _entries_in(place: Place) -> Iterator[FoundEntry | UnreadableConfiguration]:
    try:
        for name in place.ours():
            shaped = place.read(name)
            command, *arguments = command_of(shaped)
            launch = Launch(command, arguments, environment_of(shaped))
            again = [place.client.key, "--scope", place.scope, *_which(arguments)]
            shared = place.scope == "project"
            yield FoundEntry(place.client.title, again, place.file, name, launch, shared)
    except Refused as error:
        if _names_us(place.file):
            yield UnreadableConfiguration(place.client.title, str(error))


def _which(arguments: Sequence[str]) -> list[str]:
    """The flags of `install` for the same profile, or for the sandbox."""
    if "--sandbox" in arguments:
        return ["--sandbox"]
    named = arguments.index("--profile") if "--profile" in arguments else len(arguments)
    return list(arguments[named : named + 2])


def _names_us(file: Path) -> bool:
    try:
        return PROGRAM.encode() in file.read_bytes()
    except OSError:
        return False
