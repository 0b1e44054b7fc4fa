"""The SQLite file, or memory, that holds the state of sandboxes."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY_SECONDS = 10.0
"""How long a transaction waits for another process to finish its own."""

# Each statement leaves what an earlier version made as it is, so older files open.
_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS app (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id TEXT NOT NULL,
        client_id TEXT NOT NULL,
        document TEXT NOT NULL,
        secret_hash BLOB,
        next_secret_hash BLOB,
        UNIQUE (project_id, client_id)
    )
    """,
    # Ends in the position, as every index does: a page is read in order, wherever it begins.
    "CREATE INDEX IF NOT EXISTS app_by_project ON app (project_id)",
    """
    CREATE TABLE IF NOT EXISTS organization (
        project_id TEXT NOT NULL,
        organization_id TEXT NOT NULL,
        slug TEXT,
        external_id TEXT,
        PRIMARY KEY (project_id, organization_id),
        UNIQUE (project_id, slug),
        UNIQUE (project_id, external_id)
    )
    """,
    # A user, whose organization is '', or a member.
    """
    CREATE TABLE IF NOT EXISTS subject (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        project_id TEXT NOT NULL,
        organization_id TEXT NOT NULL,
        subject_id TEXT NOT NULL,
        external_id TEXT,
        UNIQUE (project_id, subject_id),
        UNIQUE (project_id, organization_id, external_id)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS app_grant (
        project_id TEXT NOT NULL,
        subject_id TEXT NOT NULL,
        client_id TEXT NOT NULL,
        scopes TEXT NOT NULL,
        PRIMARY KEY (project_id, subject_id, client_id),
        FOREIGN KEY (project_id, client_id) REFERENCES app (project_id, client_id)
            ON DELETE CASCADE
    )
    """,
    "CREATE INDEX IF NOT EXISTS app_grant_by_client ON app_grant (project_id, client_id)",
)


class Database:
    """One connection, shared by threads.

    Safe for concurrent threads and for processes that share a file: a transaction has the database
    to itself. Raises `sqlite3.Error` if the file is damaged or stays locked for `BUSY_SECONDS`.
    """

    def __init__(self, file: str | Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # Nobody tells an ASGI app in process that it is over, so the garbage collector must.
        weakref.finalize(self, self._connection.close)
        # Not WAL: processes that open a new file at once can fail to switch to it ("database is
        # locked", whatever the timeout). Without fsync, only a power cut can harm the file.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction() as connection:
            for statement in _SCHEMA:
                connection.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection; an exception takes back what was done with it."""
        with self._lock, self._connection as connection:
            # Taking the write lock at once means that no transaction ever has to upgrade to it,
            # which SQLite refuses without waiting.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
