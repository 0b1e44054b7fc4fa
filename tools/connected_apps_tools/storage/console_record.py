"""Where a console runs on the data of a folder, so that a server can lead a person there."""

import json
from pathlib import Path
from typing import NamedTuple

from .records import FolderState, Lock

KIND = "console"
LOCK, ADDRESS = "running", "address"


class RunningConsole(NamedTuple):
    """A console that runs.

    Attributes:
        origin: where it is.
        project_id: the project that it shows.
    """

    origin: str
    project_id: str


class ConsoleRecord:
    """The record of the only console of a data folder. Its methods raise `StoreError`."""

    def __init__(self, folder: Path) -> None:
        """Keep the record in a data folder."""
        self._records = FolderState(folder).records(KIND)

    def claim(self, console: RunningConsole) -> Lock | None:
        """Be the console of the folder until the lock is closed; None where another one runs."""
        lock = self._records.try_lock(LOCK)
        if lock:
            self._records.write(ADDRESS, json.dumps(console))
        return lock

    def find(self) -> RunningConsole | None:
        """The console that runs; None if none does."""
        has_ended = self._records.read(LOCK, unless_held=True) is not None
        return None if has_ended else _read(self._records.read(ADDRESS))

    def leave(self, lock: Lock) -> None:
        """Be it no longer."""
        try:
            self._records.remove(ADDRESS)
        finally:
            lock.close()


def _read(text: str | None) -> RunningConsole | None:
    """A record; None for a damaged one."""
    try:
        match json.loads(text or ""):
            case [str(origin), str(project_id)]:
                return RunningConsole(origin, project_id)
    except (ValueError, RecursionError):
        pass
    return None
