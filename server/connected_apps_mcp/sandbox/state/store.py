"""The apps of a sandbox and the hashes of their secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import ConnectedApp, is_public

from .client_secrets import hash_secret, last_four, new_client_secret, secret_matches
from .database import Database


@dataclass(frozen=True)
class AppRecord:
    """One stored app: the part that responses show, and the hashes that they never show."""

    app: ConnectedApp
    secret_hash: bytes | None = None
    next_secret_hash: bytes | None = None

    @classmethod
    def new(cls, app: ConnectedApp) -> tuple[AppRecord, str | None]:
        """Give a new app a secret, unless its type has none. Returns both."""
        if is_public(app.client_type):
            return cls(app), None
        secret = new_client_secret()
        shown = app.model_copy(update={"client_secret_last_four": last_four(secret)})
        return cls(shown, hash_secret(secret)), secret

    def has_secret(self, secret: str) -> bool:
        """Whether it is the current secret, or the next one of a rotation."""
        current = secret_matches(secret, self.secret_hash)
        upcoming = secret_matches(secret, self.next_secret_hash)
        return current or upcoming

    def rotating(self) -> tuple[AppRecord, str]:
        """Give the app a next secret. Returns both."""
        secret = new_client_secret()
        shown = self.app.model_copy(update={"next_client_secret_last_four": last_four(secret)})
        return replace(self, app=shown, next_secret_hash=hash_secret(secret)), secret


@dataclass(frozen=True)
class StoredPage:
    """Apps in the order of creation, and the position after which the next page begins."""

    apps: list[ConnectedApp]
    total: int
    next_position: int | None


class AppStore:
    """The apps of one project.

    Every method is one transaction, except `insert`, which is part of one. Methods raise `ApiError`
    for a missing app, and the errors of `Database`.
    """

    def __init__(self, database: Database, project_id: str, *, max_apps: int | None = None) -> None:
        self._database = database
        self._project_id = project_id
        self._max_apps = max_apps

    def add(self, record: AppRecord) -> None:
        """Store a new app, unless the project has `max_apps` already."""
        with self._database.transaction() as connection:
            self.insert(connection, [record])

    def insert(self, connection: sqlite3.Connection, records: Iterable[AppRecord]) -> None:
        """Store the apps with new ids, unless the project would exceed `max_apps`."""
        connection.executemany(
            "INSERT INTO app (document, secret_hash, next_secret_hash, project_id, client_id)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (project_id, client_id) DO NOTHING",
            map(self._row, records),
        )
        if self._max_apps is not None and self._count(connection) > self._max_apps:
            raise ApiError(ErrorType.TOO_MANY_CONNECTED_APPS)

    def get(self, client_id: str) -> AppRecord:
        """Return one app."""
        with self._database.transaction() as connection:
            return self._select(connection, client_id)

    def change(self, client_id: str, change: Callable[[AppRecord], AppRecord]) -> ConnectedApp:
        """Replace one app by the result of `change`. If `change` raises, nothing is changed."""
        with self._database.transaction() as connection:
            record = change(self._select(connection, client_id))
            connection.execute(
                "UPDATE app SET document = ?, secret_hash = ?, next_secret_hash = ?"
                " WHERE project_id = ? AND client_id = ?",
                self._row(record),
            )
        return record.app

    def delete(self, client_id: str) -> None:
        """Delete one app and its grants."""
        with self._database.transaction() as connection:
            self._select(connection, client_id)
            connection.execute(
                "DELETE FROM app WHERE project_id = ? AND client_id = ?",
                (self._project_id, client_id),
            )

    def page(self, after: int, limit: int) -> StoredPage:
        """Return at most `limit` apps created later than position `after`.

        A position is never given twice, so apps that come and go between two pages make no other
        app appear twice or not at all.
        """
        with self._database.transaction() as connection:
            total = self._count(connection)
            rows = connection.execute(
                "SELECT position, document FROM app WHERE project_id = ? AND position > ?"
                " ORDER BY position LIMIT ?",
                (self._project_id, after, limit + 1),
            ).fetchall()
        shown = rows[:limit]
        return StoredPage(
            apps=[ConnectedApp.model_validate_json(document) for _, document in shown],
            total=total,
            next_position=shown[-1][0] if shown and len(rows) > limit else None,
        )

    def _count(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(
            "SELECT count(*) FROM app WHERE project_id = ?", (self._project_id,)
        ).fetchone()
        return int(row[0])

    def _select(self, connection: sqlite3.Connection, client_id: str) -> AppRecord:
        row = connection.execute(
            "SELECT document, secret_hash, next_secret_hash FROM app"
            " WHERE project_id = ? AND client_id = ?",
            (self._project_id, client_id),
        ).fetchone()
        if row is None:
            raise ApiError(ErrorType.CONNECTED_APP_NOT_FOUND)
        document, secret_hash, next_secret_hash = row
        return AppRecord(ConnectedApp.model_validate_json(document), secret_hash, next_secret_hash)

    def _row(self, record: AppRecord) -> tuple[str, bytes | None, bytes | None, str, str]:
        return (
            record.app.model_dump_json(),
            record.secret_hash,
            record.next_secret_hash,
            self._project_id,
            record.app.client_id,
        )
