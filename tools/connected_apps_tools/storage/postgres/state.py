"""What servers on several machines share, in rows of a database."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from connected_apps_tools.storage.errors import StoreError

from .database import Database
from .locks import SessionLock, SessionLocks
from .owner import GONE_SECONDS, HeldRecord, Owner

LOCK_POLL_SECONDS = 0.01
"""Pause between two attempts to take a lock."""

CLOSE_SECONDS = 5.0
"""How long the end of a process waits for the database. The others see it later, too."""

PROBE = ".probe"

WRITE = """
INSERT INTO connected_apps_mcp.records (kind, name, text) VALUES (%s, %s, %s)
ON CONFLICT (kind, name) DO UPDATE SET text = excluded.text, owner = NULL, updated_at = now()
"""

CREATE = """
INSERT INTO connected_apps_mcp.records (kind, name, text) VALUES (%s, %s, %s)
ON CONFLICT DO NOTHING RETURNING true
"""

READ = "SELECT text FROM connected_apps_mcp.records WHERE kind = %s AND name = %s"

READ_UNLESS_HELD = f"""
{READ} AND NOT EXISTS (
    SELECT FROM connected_apps_mcp.processes
    WHERE id = owner AND id <> %s AND seen_at > now() - interval '{GONE_SECONDS} seconds'
)
"""

REMOVE = "DELETE FROM connected_apps_mcp.records WHERE kind = %s AND name = %s RETURNING true"

NAMES = """
SELECT name FROM connected_apps_mcp.records WHERE kind = %s AND name NOT LIKE '.%%'
ORDER BY name COLLATE "C"
"""


class DatabaseRecords:
    """The records of one kind."""

    place = "the database"

    def __init__(self, database: Database, kind: str, owner: Owner, locks: SessionLocks) -> None:
        self._database, self._kind = database, kind
        self._owner, self._locks = owner, locks

    def check(self) -> None:
        """Prove that records can be written, by writing one."""
        self.write(PROBE, "")
        self.remove(PROBE)

    def write(self, name: str, text: str) -> None:
        """Write a record, or replace it. When this returns, it is durable."""
        self._execute(WRITE, name, text)

    def create(self, name: str, text: str) -> bool:
        """Write a record unless there is one of this name. Return whether it was written."""
        return bool(self._execute(CREATE, name, text))

    def read(self, name: str, *, unless_held: bool = False) -> str | None:
        """The text of a record; None if there is none, or a running process holds it."""
        if not unless_held:
            rows = self._execute(READ, name)
        elif self._owner.holds((self._kind, name)):
            return None
        else:
            rows = self._execute(READ_UNLESS_HELD, name, self._owner.id)
        return rows[0][0] if rows else None

    def hold(self, name: str, text: str) -> HeldRecord:
        """Write a new record that this process holds."""
        return self._owner.hold((self._kind, name), text)

    def remove(self, name: str) -> bool:
        """Remove a record. Return whether it was there: one caller only gets True."""
        removed = bool(self._execute(REMOVE, name))
        self._owner.forget((self._kind, name))
        return removed

    def names(self) -> list[str]:
        """The names of the records, sorted, without those that begin with a dot."""
        return [name for (name,) in self._execute(NAMES)]

    def try_lock(self, name: str) -> SessionLock | None:
        """A lock that one process has at a time; None where it is taken."""
        return self._locks.try_lock(f"{self._kind} {name}")

    @contextmanager
    def locked(self, name: str, seconds: float) -> Iterator["DatabaseRecords"]:
        """Hold a lock while these records are used. Wait up to `seconds` for it."""
        deadline = time.monotonic() + seconds
        while (lock := self.try_lock(name)) is None:
            if time.monotonic() > deadline:
                raise StoreError(f"The lock of {self._kind} is held by another process.")
            time.sleep(LOCK_POLL_SECONDS)
        try:
            yield self
        finally:
            lock.close()

    def _execute(self, statement: str, *values: object) -> Sequence[tuple[str, ...]]:
        """The rows that a statement returns. Its first value is the kind."""
        with self._database.connection() as connection:
            cursor = connection.execute(statement.encode(), [self._kind, *values])
            return cursor.fetchall() if cursor.description else []


class DatabaseState:
    """All records, and the locks and the held records of this process."""

    def __init__(self, url: str) -> None:
        """Share the database of a URL."""
        self.database = Database(url)
        self._owner = Owner(self.database)
        self._locks = SessionLocks(self.database)

    def records(self, kind: str) -> DatabaseRecords:
        """The records of a kind."""
        return DatabaseRecords(self.database, kind, self._owner, self._locks)

    def close(self) -> None:
        """Let go of everything that this process holds, and disconnect."""
        closing = threading.Thread(target=self._close, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def _close(self) -> None:
        self._owner.close()
        self._locks.close()
        self.database.close()
