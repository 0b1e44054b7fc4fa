"""Reads an audit log, as it was at one moment."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from connected_apps_tools.storage.system import lock

from .ledger import HEAD_FILE, KEY_FILE, LOCK_FILE, LOCK_SECONDS, file_name, file_number


class Unreadable(Exception):
    """There is no log, or it cannot be read. The text says why."""


class Snapshot(Protocol):
    """The lines of a log as they were at one moment, between two writes."""

    @property
    def place(self) -> str:
        """Where a person finds the log."""
        ...

    @property
    def own_key(self) -> Path | None:
        """The key that was made with the log; None if the operator has to give one."""
        ...

    @property
    def is_atomic(self) -> bool:
        """Whether a crash leaves nothing beyond the head."""
        ...

    @property
    def head(self) -> bytes:
        """How far the log reaches, as it is stored. Empty if it is missing."""
        ...

    @property
    def head_name(self) -> str:
        """What a person calls the head."""
        ...

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the files, in order."""
        ...

    @property
    def extent(self) -> int:
        """A number that grows with each line."""
        ...

    def name(self, number: int) -> str:
        """What a person calls a file."""
        ...

    def data(self, number: int) -> bytes | None:
        """The bytes of a file at that moment, or None where there is no such file.

        Raises:
            Unreadable: the file cannot be read.
        """
        ...


class FolderSnapshot:
    """The files of a log in a folder."""

    is_atomic = False
    head_name = HEAD_FILE

    def __init__(self, folder: Path) -> None:
        """Read the sizes of the files, and the head, while no process writes.

        Raises:
            Unreadable: there is no log, or it cannot be read.
        """
        self._folder = folder
        if not folder.exists():
            raise Unreadable(f"Nothing is recorded yet: there is no folder {folder}.")
        with _explained(folder), _locked(folder / LOCK_FILE):
            found = {n: path for path in folder.iterdir() if (n := file_number(path.name))}
            self._sizes = {n: found[n].stat().st_size for n in sorted(found)}
            head = folder / HEAD_FILE
            self.head = head.read_bytes() if head.exists() else b""
        if not self._sizes and not self.head:
            raise Unreadable(f"Nothing is recorded yet in {folder}: there is no audit log.")

    @property
    def place(self) -> str:
        """Where a person finds the log."""
        return str(self._folder)

    @property
    def own_key(self) -> Path:
        """The key beside the log."""
        return self._folder / KEY_FILE

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the files, in order."""
        return list(self._sizes)

    @property
    def extent(self) -> int:
        """The size of all files together, in bytes."""
        return sum(self._sizes.values())

    def name(self, number: int) -> str:
        """The name of a file."""
        return file_name(number)

    def data(self, number: int) -> bytes | None:
        """The bytes of a file at that moment, or None where there is no such file.

        Raises:
            Unreadable: the file cannot be read.
        """
        if number not in self._sizes:
            return None
        with _explained(self._folder):
            return (self._folder / file_name(number)).read_bytes()[: self._sizes[number]]


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unreadable(f"{folder} cannot be read: {error.strerror}.") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock writers out. Where there is no lock file, as in a copy, there are no writers."""
    if not path.exists():
        yield
        return
    with path.open("rb") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while not lock(file.fileno(), wait=False, shared=True):
            if time.monotonic() > deadline:
                raise Unreadable(f"{path} is held by another process.")
            time.sleep(0.01)
        yield


def last_lines(log: Snapshot, count: int) -> list[bytes]:
    """The last lines of a log, not verified. The newest comes last.

    Raises:
        Unreadable: the log cannot be read.
    """
    lines = list[bytes]()
    for number in reversed(log.numbers):
        if len(lines) >= count:
            break
        lines = (log.data(number) or b"").splitlines() + lines
    return lines[-count:]


def all_lines(log: Snapshot) -> Iterator[bytes]:
    """The lines of a log in order, not verified.

    Raises:
        Unreadable: the log cannot be read.
    """
    for number in log.numbers:
        yield from (log.data(number) or b"").splitlines()
