"""The state of a sandbox: apps and the hashes of their secrets, in SQLite."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import ConnectedApp

BUSY_SECONDS = 10.0
"""How long a transaction waits for another process to finish its own."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS app (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    document TEXT NOT NULL,
    secret_hash BLOB,
    next_secret_hash BLOB,
    UNIQUE (project_id, client_id)
)
"""


@dataclass(frozen=True)
class Record:
    """One app as it is kept: what answers may show, and beside it what they never show."""

    app: ConnectedApp
    secret_hash: bytes | None = None
    next_secret_hash: bytes | None = None


@dataclass(frozen=True)
class Page:
    """Apps in the order of their creation, and the position after which the next page begins."""

    apps: list[ConnectedApp]
    total: int
    next_position: int | None


class Store:
    """The apps of one project.

    Safe for concurrent threads and for processes that share a file: every method is one
    transaction, and a transaction has the database to itself. Raises `ApiError` for an app that is
    not there, `sqlite3.Error` if the file is damaged or stays locked for `BUSY_SECONDS`.
    """

    def __init__(
        self, database: str | Path, project_id: str, *, max_apps: int | None = None
    ) -> None:
        self._project_id = project_id
        self._max_apps = max_apps
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            database, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # Nobody tells an ASGI app in process that it is over, so the garbage collector must.
        weakref.finalize(self, self._connection.close)
        # Not WAL: processes that open a new file at once can fail to switch to it ("database is
        # locked", whatever the timeout). Without fsync, only a power cut can harm the file.
        self._connection.execute("PRAGMA synchronous = OFF")
        with self._transaction() as connection:
            connection.execute(_SCHEMA)

    def add(self, record: Record) -> None:
        """Keep a new app, unless the project holds `max_apps` already."""
        with self._transaction() as connection:
            if self._max_apps is not None and self._count(connection) >= self._max_apps:
                raise ApiError(ErrorType.TOO_MANY_CONNECTED_APPS)
            connection.execute(
                "INSERT INTO app (document, secret_hash, next_secret_hash, project_id, client_id)"
                " VALUES (?, ?, ?, ?, ?)",
                self._row(record),
            )

    def get(self, client_id: str) -> Record:
        """Return one app."""
        with self._transaction() as connection:
            return self._select(connection, client_id)

    def change(self, client_id: str, change: Callable[[Record], Record]) -> ConnectedApp:
        """Replace one app by what `change` makes of it; if that raises, nothing is changed."""
        with self._transaction() as connection:
            record = change(self._select(connection, client_id))
            connection.execute(
                "UPDATE app SET document = ?, secret_hash = ?, next_secret_hash = ?"
                " WHERE project_id = ? AND client_id = ?",
                self._row(record),
            )
        return record.app

    def delete(self, client_id: str) -> None:
        """Forget one app."""
        with self._transaction() as connection:
            self._select(connection, client_id)
            connection.execute(
                "DELETE FROM app WHERE project_id = ? AND client_id = ?",
                (self._project_id, client_id),
            )

    def page(self, after: int, limit: int) -> Page:
        """Return at most `limit` apps created later than position `after`.

        A position is never given twice, so apps that come and go between two pages make no other
        app appear twice or not at all.
        """
        with self._transaction() as connection:
            total = self._count(connection)
            rows = connection.execute(
                "SELECT position, document FROM app WHERE project_id = ? AND position > ?"
                " ORDER BY position LIMIT ?",
                (self._project_id, after, limit + 1),
            ).fetchall()
        shown = rows[:limit]
        return Page(
            apps=[ConnectedApp.model_validate_json(document) for _, document in shown],
            total=total,
            next_position=shown[-1][0] if shown and len(rows) > limit else None,
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection as connection:
            # Taking the write lock at once means that no transaction ever has to upgrade to it,
            # which SQLite refuses without waiting.
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _count(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(
            "SELECT count(*) FROM app WHERE project_id = ?", (self._project_id,)
        ).fetchone()
        return int(row[0])

    def _select(self, connection: sqlite3.Connection, client_id: str) -> Record:
        row = connection.execute(
            "SELECT document, secret_hash, next_secret_hash FROM app"
            " WHERE project_id = ? AND client_id = ?",
            (self._project_id, client_id),
        ).fetchone()
        if row is None:
            raise ApiError(ErrorType.CONNECTED_APP_NOT_FOUND)
        document, secret_hash, next_secret_hash = row
        return Record(ConnectedApp.model_validate_json(document), secret_hash, next_secret_hash)

    def _row(self, record: Record) -> tuple[str, bytes | None, bytes | None, str, str]:
        return (
            record.app.model_dump_json(),
            record.secret_hash,
            record.next_secret_hash,
            self._project_id,
            record.app.client_id,
        )
