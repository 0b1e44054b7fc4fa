"""The entries of this server in the configurations of MCP clients."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


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
    """

    client: str
    install: Sequence[str]
    file: Path
    name: str
    launch: Launch

    def __str__(self) -> str:
        """The entry, for a person."""
        return f"The entry {self.name} of {self.client} ({self.file})"


@dataclass(frozen=True)
class UnreadableConfiguration:
    """A configuration that cannot be read."""

    client: str
    why: str


def known_entries() -> Iterator[FoundEntry | UnreadableConfiguration]:
    """What the clients on this machine know of this server."""
    yield from ()
