"""Locks that one process has at a time. They end with the connection on which they were taken."""

import threading
from hashlib import blake2b
from typing import Self

from connected_apps_tools.storage.errors import StoreError

from .connection import Connection
from .database import Database, is_open
from .failures import explained

HELD = """
SELECT array_agg(classid::bigint << 32 | objid::bigint) @> %s::bigint[] FROM pg_locks
WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 1
"""
"""Whether this connection has locks, by their keys."""


class SessionLock:
    """A lock that this process has, until it is closed or the connection ends."""

    def __init__(self, locks: "SessionLocks", key: int, connection: Connection) -> None:
        self._locks = locks
        self.key, self.connection = key, connection
        self.release: threading.Thread | None = None
        """The thread that gives it back."""

    def still_held(self, *others: Self) -> bool:
        """Whether this process still has it, and others, as the database says at once."""
        return self._locks.still_held(self, *others)

    def close(self) -> None:
        """Give it back, without waiting for the database."""
        if self.release is None:
            self.release = threading.Thread(target=self._locks.give_back, args=[self], daemon=True)
            self.release.start()


class SessionLocks:
    """The locks of this process, on one connection. Methods block, and raise `StoreError`."""

    def __init__(self, database: Database) -> None:
        """Take locks in a database."""
        self._database = database
        self._guard = threading.Lock()
        self._connection: Connection | None = None
        self._held: dict[int, SessionLock] = {}

    def try_lock(self, name: str) -> SessionLock | None:
        """Take a lock; None where this or another process has it."""
        key = _key(name)
        self._wait_for_release(key)
        with self._guard:
            connection = self._open_connection()
            if key in self._held:
                return None
            if not self._ask(connection, "SELECT pg_try_advisory_lock(%s)", key):
                return None
            self._held[key] = SessionLock(self, key, connection)
            return self._held[key]

    def still_held(self, *locks: SessionLock) -> bool:
        """Whether this process still has these locks."""
        with self._guard:
            if any(self._held.get(lock.key) is not lock for lock in locks):
                return False
            try:
                return self._ask(locks[0].connection, HELD, [lock.key for lock in locks])
            except StoreError:
                return False

    def give_back(self, lock: SessionLock) -> None:
        """Give a lock back. If that fails, the connection ends, and its locks with it."""
        with self._guard:
            if self._held.get(lock.key) is not lock:
                return
            try:
                self._ask(lock.connection, "SELECT pg_advisory_unlock(%s)", lock.key)
            except StoreError:
                return
            del self._held[lock.key]

    def close(self) -> None:
        """Give all locks back."""
        with self._guard:
            self._drop_connection()

    def _wait_for_release(self, key: int) -> None:
        held = self._held.get(key)
        if held and held.release:
            held.release.join()

    def _open_connection(self) -> Connection:
        """The connection. Where it is lost, another one, without the locks."""
        if self._connection is None or not is_open(self._connection):
            self._drop_connection()
            self._connection = self._database.own_connection()
        return self._connection

    def _ask(self, connection: Connection, question: str, key: int | list[int]) -> bool:
        try:
            with explained():
                row = connection.execute(question, [key]).fetchone()
        except StoreError:
            self._drop_connection()
            raise
        return bool(row and row[0])

    def _drop_connection(self) -> None:
        self._held.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _key(name: str) -> int:
    """A lock of the database is a number of 64 bits."""
    digest = blake2b(f"connected_apps_mcp {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
