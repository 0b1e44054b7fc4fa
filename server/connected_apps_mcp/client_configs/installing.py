"""Adds an entry to the configuration of a client, and removes it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from connected_apps_tools.storage.owned_files import FileRefused

from .clients import Client, OwnCommand, Scope
from .documents import Unreadable, entry_of, with_entry, without_entry
from .entries import Entry, command_of, starts_us
from .files import read_config, replace_config

OWN_COMMAND_SECONDS = 60
"""How long a client's own command may take."""


class Refused(Exception):
    """A configuration was not changed. The text names the file and the way out."""


@dataclass(frozen=True)
class Place:
    """Where a client has its servers, in one scope."""

    client: Client
    scope: Scope
    file: Path

    @classmethod
    def of(cls, client: Client, scope: Scope) -> Place:
        """The place of a client in a scope.

        Raises:
            Refused: the client has no configuration in this scope.
        """
        file = client.config(scope)
        if file is None:
            raise Refused(f"{client.title} has no configuration of a project. Use --scope user.")
        return cls(client, scope, file)

    def read(self, name: str) -> JsonValue | None:
        """The entry of this name, in the client's shape; None if there is none.

        Raises:
            Refused: the file cannot be read.
        """
        return self._entry_in(self._text(), name)

    def ours(self) -> list[str]:
        """The names of the entries that start this server.

        Raises:
            Refused: the file cannot be read.
        """
        servers = self._entry_in(self._text(), None)
        if not isinstance(servers, Mapping):
            return []
        return [name for name, entry in servers.items() if starts_us(entry)]

    def add(self, entry: Entry) -> Path | None:
        """Add the entry. Return the backup of the file, if there is one.

        Raises:
            Refused: nothing was changed.
        """
        own = self._own_command()
        if own and _ran(own.program, own.add(entry)) and self._has(entry):
            return None
        old = self._text()
        path = (*self.client.path, entry.name)
        with _refused(self.file):
            new = with_entry(self.client.format, old, path, self.client.shape(entry))
            return replace_config(self.file, old, new)

    def remove(self, entry: Entry) -> Path | None:
        """Remove the entry. Return the backup of the file, if there is one.

        Raises:
            Refused: nothing was changed.
        """
        own = self._own_command()
        if own and own.remove:
            _ran(own.program, own.remove(entry))
        if self.read(entry.name) is None:
            return None
        old = self._text()
        path = (*self.client.path, entry.name)
        with _refused(self.file):
            return replace_config(self.file, old, without_entry(self.client.format, old, path))

    def _own_command(self) -> OwnCommand | None:
        """The client's own command, where it costs nothing that a person wrote.

        Without the folder of the client, a command of its name may belong to another machine: in
        WSL, `code` is that of Windows.
        """
        own = self.client.own
        if own and self.scope == "user" and self.file.parent.is_dir():
            return own if own.remove or not self._text() else None
        return None

    def _has(self, entry: Entry) -> bool:
        return command_of(self.read(entry.name)) == [*entry.command]

    def _text(self) -> str:
        with _refused(self.file):
            return read_config(self.file)

    def _entry_in(self, text: str, name: str | None) -> JsonValue | None:
        path = self.client.path if name is None else (*self.client.path, name)
        with _refused(self.file):
            return entry_of(self.client.format, text, path)


def _ran(program: str, arguments: list[str]) -> bool:
    """Whether a command of the client ran without a failure."""
    found = shutil.which(program)
    # cmd.exe, which runs such files, takes the quotes of JSON for its own.
    if found is None or found.lower().endswith((".cmd", ".bat")):
        return False
    try:
        ended = subprocess.run(  # noqa: S603 - without a shell
            [found, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=OWN_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


@contextmanager
def _refused(file: Path) -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise Refused(f"{file}: {error}") from None
    except FileRefused as error:
        raise Refused(str(error)) from None
    except UnicodeEncodeError:
        raise Refused(
            "The path of this program is not UTF-8. Install it in another folder."
        ) from None
