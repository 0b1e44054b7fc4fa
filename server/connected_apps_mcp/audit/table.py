"""An audit log in the database, one chain for all servers that use it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.database import Database

from . import chain
from .chain import Head
from .key import read_key
from .reading import Unreadable

PLACE = "the database"

LOCK = 4_923_880_418
"""The advisory lock under which one server appends at a time."""

PAUSE = "2s"
"""How long a server may pause within a write, with the lock. Then the database ends its connection,
before the others give up waiting."""

_PAUSE = "SELECT set_config('idle_in_transaction_session_timeout', %s, true)"

_HOLD_HEAD = "SELECT FROM connected_apps_mcp.audit_head FOR UPDATE"
"""No other server moves the head meanwhile."""

_LAST = """\
SELECT
    (SELECT document FROM connected_apps_mcp.audit_head),
    (SELECT line FROM connected_apps_mcp.audit_lines ORDER BY seq DESC LIMIT 1)"""

_ADD = """\
INSERT INTO connected_apps_mcp.audit_lines (seq, file, line)
SELECT %s + place, %s, line FROM unnest(%s::text[]) WITH ORDINALITY AS added (line, place)"""

_MOVE = """\
INSERT INTO connected_apps_mcp.audit_head (document) VALUES (%s)
ON CONFLICT (one) DO UPDATE SET document = excluded.document"""

_CONTINUE = """\
WITH moved AS (
    UPDATE connected_apps_mcp.audit_head SET document = %(head)s
    WHERE document = %(before)s AND (
        SELECT right(line, length(%(ending)s)) = %(ending)s
        FROM connected_apps_mcp.audit_lines ORDER BY seq DESC LIMIT 1
    )
    RETURNING true
)
INSERT INTO connected_apps_mcp.audit_lines (seq, file, line)
SELECT %(seq)s + place, %(file)s, line
FROM moved, unnest(%(lines)s::text[]) WITH ORDINALITY AS added (line, place)"""
"""Adds lines if the log still ends where this server knows it. Else it changes nothing."""

_EXTENT = """\
WITH RECURSIVE files (file) AS (
    SELECT min(file) FROM connected_apps_mcp.audit_lines
    UNION ALL
    SELECT (SELECT min(file) FROM connected_apps_mcp.audit_lines WHERE file > files.file)
    FROM files WHERE file IS NOT NULL
)
SELECT
    (SELECT document FROM connected_apps_mcp.audit_head),
    (SELECT max(seq) FROM connected_apps_mcp.audit_lines),
    (SELECT array_agg(file ORDER BY file) FROM files WHERE file IS NOT NULL)"""
"""It finds the files in the index: one INSERT can name any file."""

_FILE = """\
SELECT line FROM connected_apps_mcp.audit_lines WHERE file = %s AND seq <= %s ORDER BY seq"""

_MAY_CHANGE = """\
SELECT has_table_privilege('connected_apps_mcp.audit_lines', 'UPDATE, DELETE, TRUNCATE')"""

WARNING = (
    "The role may change the lines of the audit log. Give the servers a role of their own: "
    "connected-apps-mcp database migrate --server-role ROLE."
)
"""What to do where `may_change_lines`."""


class Table:
    """The lines of a log, numbered files of them as in a folder, and the head.

    Lines and head change together or not at all. If the connection is lost at the end of a write,
    the lines may be there, and the caller learns that they may not. Methods raise `StoreError`, and
    block.
    """

    place = PLACE

    def __init__(self, database: Database, key_file: Path, *, max_bytes: int) -> None:
        self._database = database
        self._key_file = key_file
        self._max_bytes = max_bytes
        self._written = Head()

    def check(self) -> None:
        """Prove that a line can be written: write one, and take it back."""
        self._append([{"event": chain.OPENED}], "ROLLBACK")

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write lines, all or none. When this returns, they are durable."""
        self._written = self._continue(records) or self._append(records, "COMMIT")

    def _continue(self, records: Sequence[Mapping[str, Any]]) -> Head | None:
        """Write lines in one round trip; None if another server has written since this one did."""
        before, key = self._written, read_key(self._key_file)
        if not before.link.seq:
            return None
        head, lines = self._extended(before, key, records)
        values = {
            "before": before.document(key),
            "ending": chain.ending(before.link.mac).decode(),
            "head": head.document(key),
            "seq": before.link.seq,
            "file": head.file,
            "lines": lines.decode().splitlines(),
        }
        with self._database.connection() as connection:
            return head if connection.execute(_CONTINUE, values).rowcount else None

    def _append(self, records: Sequence[Mapping[str, Any]], end: LiteralString) -> Head:
        """Write lines in one transaction. It takes two round trips: to the head, and to its end.

        After an error the transaction stays open, so the connection is not used again.
        """
        key = read_key(self._key_file)
        with self._database.connection() as connection, connection.pipeline() as pipeline:
            connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            connection.execute(_PAUSE, [PAUSE])
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            connection.execute(_HOLD_HEAD)
            found = connection.execute(_LAST)
            pipeline.sync()  # without it, the database would not see that the server pauses
            before = self._head(key, found.fetchone())
            head, lines = self._extended(before, key, records)
            connection.execute(_ADD, [before.link.seq, head.file, lines.decode().splitlines()])
            connection.execute(_MOVE, [head.document(key)])
            connection.execute(end)
        return head

    def _head(self, key: bytes, found: tuple[Any, ...] | None) -> Head:
        """How far the log reaches."""
        document, last = found or (None, None)
        if document is None and last is None and not self._written.link.seq:
            return Head()
        head = Head.from_document(key, (document or "").encode())
        if head is None or not (last or "").encode().endswith(chain.ending(head.link.mac)):
            raise _tampered()
        if head.link.seq < self._written.link.seq:  # an earlier state was put back
            raise _tampered()
        return head

    def _extended(
        self, head: Head, key: bytes, records: Sequence[Mapping[str, Any]]
    ) -> tuple[Head, bytes]:
        """The head after these records, and their lines, where necessary in a new file."""
        file, size, link, lines = head.file, head.size, head.link, b""
        if file == 0 or size >= self._max_bytes:
            file, size = file + 1, 0
            link, lines = link.extend(key, chain.opened(file, link))
        link, more = link.extend_together(key, records)
        lines += more
        return Head(file, size + len(lines), link), lines


def may_change_lines(database: Database) -> bool:
    """Whether the role of this connection may change lines of the log.

    Raises:
        StoreError: the database cannot be used.
    """
    with database.connection() as connection:
        row = connection.execute(_MAY_CHANGE).fetchone()
    return bool(row and row[0])


def _tampered() -> StoreError:
    return StoreError(
        "The audit log in the database was changed by something else, or the key is a different "
        "one: run 'connected-apps-mcp audit verify' for details. Give the key that the other "
        "servers have, or restore the tables."
    )


class TableSnapshot:
    """The lines of a log in the database."""

    place = PLACE
    own_key = None
    is_atomic = True
    head_name = "The head"

    def __init__(self, database: Database) -> None:
        """Read how far the log reaches.

        Raises:
            Unreadable: the database cannot be used, or it has no log.
        """
        self._database = database
        (document, self._last_line, files), *_ = self._rows(_EXTENT)
        self.head = (document or "").encode()
        self.numbers: Sequence[int] = files or []
        if not self.numbers and not self.head:
            raise Unreadable("Nothing is recorded yet in the database.")

    def name(self, number: int) -> str:
        """What a person calls a file."""
        return f"File {number}"

    def data(self, number: int) -> bytes | None:
        """The bytes of a file at that moment, or None where there is no such file.

        Raises:
            Unreadable: the database cannot be used.
        """
        lines = self._rows(_FILE, number, self._last_line)
        return "".join(f"{line}\n" for (line,) in lines).encode() or None

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._database.connection() as connection:
                return connection.execute(query.encode(), values).fetchall()
        except StoreError as error:
            raise Unreadable(str(error)) from None
