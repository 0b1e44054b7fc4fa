"""What the processes that serve a project share: small texts, each under a name.

They are files in private folders on one machine, or rows of a database for several. Every method
blocks, and raises `StoreError`.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

from .private_folder import PrivateFolder


class Held(Protocol):
    """A record or a lock that this process holds, until it is closed or the process ends."""

    def close(self) -> None:
        """Let go of it. More than once is the same as once."""
        ...


class Lock(Held, Protocol):
    """A lock that one process has at a time."""

    def still_held(self, *others: Self) -> bool:
        """Whether this process still has it, and others of the same state.

        They may be lost with a connection.
        """
        ...


class Records(Protocol):
    """The records of one kind. Each is written whole or not at all."""

    @property
    def place(self) -> str:
        """Where a person finds them."""
        ...

    def check(self) -> None:
        """Prove that records can be written, by writing one."""
        ...

    def write(self, name: str, text: str) -> None:
        """Write a record, or replace it. When this returns, it is durable."""
        ...

    def create(self, name: str, text: str) -> bool:
        """Write a record unless there is one of this name. Return whether it was written."""
        ...

    def read(self, name: str, *, unless_held: bool = False) -> str | None:
        """The text of a record; None if there is none.

        Args:
            name: the record.
            unless_held: give None also where a running process holds it.
        """
        ...

    def hold(self, name: str, text: str) -> Held:
        """Write a new record that this process holds."""
        ...

    def remove(self, name: str) -> bool:
        """Remove a record. Return whether it was there: one caller only gets True."""
        ...

    def names(self) -> list[str]:
        """The names of the records, sorted, without those that begin with a dot."""
        ...

    def try_lock(self, name: str) -> Lock | None:
        """A lock that one process has at a time; None where it is taken. It is no record."""
        ...

    def locked(self, name: str, seconds: float) -> AbstractContextManager[Self]:
        """Hold a lock while these records are used. Wait up to `seconds` for it."""
        ...


class SharedState(Protocol):
    """All records, by kind."""

    def records(self, kind: str) -> Records:
        """The records of a kind, such as `journal`."""
        ...


class FolderState:
    """Records in folders of this user, each kind in one of its own."""

    def __init__(self, folder: Path) -> None:
        """Store below a folder."""
        self._folder = folder

    def records(self, kind: str) -> Records:
        """The records of a kind."""
        return PrivateFolder(self._folder / kind, within=self._folder)
