"""The tables: numbered migrations that make them, and the check that they fit this version."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psycopg

from connected_apps_tools.storage.errors import StoreError

from .connection import Connection, connect
from .failures import MIGRATE, explained

FOLDER = Path(__file__).parent / "migrations"

GRANTS = FOLDER / "grants.sql"
"""What the role of the server may do. It runs after the migrations."""

FIRST_LINE = re.compile(r"-- Works with servers from (\d+) on\.\n")
"""The first line of a migration: the oldest servers that still work after it, by the number of
their latest migration.
"""

LOCK = 4_923_880_417
"""The advisory lock under which one process migrates at a time."""

MIGRATION_SECONDS = 600


class Migration(NamedTuple):
    """A step that makes or changes tables.

    Attributes:
        works_from: the latest migration of the oldest servers that still work after it.
    """

    number: int
    name: str
    text: str
    works_from: int


@cache
def migrations() -> Sequence[Migration]:
    """The migrations that this version knows, in order."""
    return [_read(file) for file in sorted(FOLDER.glob("[0-9]*.sql"))]


def _read(file: Path) -> Migration:
    text = file.read_text(encoding="utf-8")
    first = FIRST_LINE.match(text)
    if first is None:
        raise AssertionError(f"{file.name} does not say with which servers it works")
    return Migration(int(file.name[:4]), file.stem, text, int(first[1]))


def migrate(
    url: str, server_role: str | None = None, known: Sequence[Migration] | None = None
) -> list[str]:
    """Make the tables, or bring them to this version. Return the names of the migrations that ran.

    All of them take effect, or none.

    Args:
        url: the database, with a role that may make tables.
        server_role: a role that gets the rights that a server needs.
        known: the migrations; those of this version by default.

    Raises:
        StoreError: it failed.
    """
    steps = migrations() if known is None else known
    with connect(url) as connection, explained(), connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = '{MIGRATION_SECONDS}s'")
        connection.execute(f"SET LOCAL lock_timeout = '{MIGRATION_SECONDS}s'")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        try:
            return _change(connection, server_role, steps)
        except psycopg.errors.InsufficientPrivilege:
            raise StoreError(
                "The role of this URL may not make or change the tables. Give the URL of the role "
                "that owns the database."
            ) from None


def _change(
    connection: Connection, server_role: str | None, steps: Sequence[Migration]
) -> list[str]:
    there = {step.number for step in _applied(connection)}
    missing = [step for step in steps if step.number not in there]
    for step in missing:
        _apply(connection, step)
    if server_role is not None:
        _grant(connection, server_role)
    return [step.name for step in missing]


def _apply(connection: Connection, step: Migration) -> None:
    connection.execute(step.text.encode())
    connection.execute(
        "INSERT INTO connected_apps_mcp.migrations (number, name, works_from) VALUES (%s, %s, %s)",
        [step.number, step.name, step.works_from],
    )


def _grant(connection: Connection, role: str) -> None:
    connection.execute("SELECT set_config('connected_apps_mcp.server_role', %s, true)", [role])
    try:
        connection.execute(GRANTS.read_bytes())
    except psycopg.errors.UndefinedObject:
        raise StoreError("The database has no such role. Make it with CREATE ROLE first.") from None


class Applied(NamedTuple):
    """A migration that the database has."""

    number: int
    works_from: int


def _applied(connection: Connection) -> list[Applied]:
    """The migrations that the database has, in order."""
    row = connection.execute("SELECT to_regclass('connected_apps_mcp.migrations')").fetchone()
    if row is None or row[0] is None:
        return []
    rows = connection.execute(
        "SELECT number, works_from FROM connected_apps_mcp.migrations ORDER BY number"
    )
    return [Applied(*each) for each in rows]


def require_fitting(connection: Connection, known: Sequence[Migration] | None = None) -> None:
    """Refuse tables that this version cannot work with.

    It works with tables of its own version, and with later ones that say so: first the tables are
    migrated, and then the servers are replaced, one by one.

    Raises:
        StoreError: they do not fit.
    """
    steps = migrations() if known is None else known
    own = steps[-1].number
    there = _applied(connection)
    if not there or there[-1].number < own:
        has = f"those of version {there[-1].number}" if there else "none"
        raise StoreError(
            f"The database cannot be used: this program needs tables of version {own}, and there "
            f"are {has}. {MIGRATE}"
        )
    if there[-1].works_from > own:
        raise StoreError(
            f"The database cannot be used: its tables of version {there[-1].number} need a later "
            "version of this program. Update it."
        )
