"""The SQLite file, or memory, that holds the state of sandboxes."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY_SECONDS = 10.0
"""How long a transaction waits for one of another process."""

# Every statement leaves existing tables unchanged, so files of earlier versions open.
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
    # Every index ends with the position, so a page is read in order without sorting.
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
    # A user (the organization is '') or a member.
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
    # A code or token belongs to a grant, and ends with it.
    """
    CREATE TABLE IF NOT EXISTS oauth_token (
        project_id TEXT NOT NULL,
        digest BLOB NOT NULL,
        kind TEXT NOT NULL,
        family TEXT NOT NULL,
        subject_id TEXT NOT NULL,
        client_id TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        spent INTEGER NOT NULL DEFAULT 0,
        content TEXT NOT NULL,
        PRIMARY KEY (project_id, digest),
        FOREIGN KEY (project_id, subject_id, client_id)
            REFERENCES app_grant (project_id, subject_id, client_id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX IF NOT EXISTS oauth_token_by_grant ON oauth_token (project_id, subject_id)",
    "CREATE INDEX IF NOT EXISTS oauth_token_by_family ON oauth_token (project_id, family)",
    "CREATE INDEX IF NOT EXISTS oauth_token_by_end ON oauth_token (project_id, expires_at)",
)


class Database:
    """One connection, shared by threads.

    Safe for threads and for processes that share a file: transactions are serial. Raises
    `sqlite3.Error` if the file is damaged or stays locked for `BUSY_SECONDS`.
    """

    def __init__(self, file: str | Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # An ASGI app in process gets no shutdown event, so close on garbage collection.
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
        """Run a transaction; an exception rolls it back."""
        with self._lock, self._connection as connection:
            # Take the write lock at once: SQLite refuses to upgrade a read lock without waiting.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
