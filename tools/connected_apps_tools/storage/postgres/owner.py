"""Records that this process holds. It shows the others regularly that it still runs."""

import threading
from contextlib import suppress
from uuid import UUID, uuid4

from connected_apps_tools.storage.errors import StoreError

from .database import Database

BEAT_SECONDS = 10.0

RETRY_SECONDS = 1.0
"""Pause after a failure. After an outage the others must not take this process for ended."""

GONE_SECONDS = 30
"""A process that was not seen for so long has ended, and its records are abandoned."""

SEEN = """
INSERT INTO connected_apps_mcp.processes (id) VALUES (%(owner)s)
ON CONFLICT (id) DO UPDATE SET seen_at = now()
"""

BEAT = f"""
WITH seen AS ({SEEN}),
forgotten AS (
    DELETE FROM connected_apps_mcp.processes WHERE seen_at < now() - interval '1 day'
)
UPDATE connected_apps_mcp.records SET owner = NULL
WHERE owner = %(owner)s
AND (kind, name) IN (SELECT * FROM unnest(%(kinds)s::text[], %(names)s::text[]))
"""  # noqa: S608 - of constants

HOLD = f"""
WITH seen AS ({SEEN})
INSERT INTO connected_apps_mcp.records (kind, name, text, owner)
VALUES (%(kind)s, %(name)s, %(text)s, %(owner)s)
ON CONFLICT (kind, name)
DO UPDATE SET text = excluded.text, owner = excluded.owner, updated_at = now()
"""  # noqa: S608 - of constants

END = "DELETE FROM connected_apps_mcp.processes WHERE id = %s"

Key = tuple[str, str]
"""The kind and the name of a record."""


class HeldRecord:
    """A record that this process holds."""

    def __init__(self, owner: "Owner", key: Key) -> None:
        self._owner, self._key = owner, key

    def close(self) -> None:
        """Let go of it, without waiting for the database."""
        self._owner.release(self._key)


class Owner:
    """This process as the owner of records, and the thread that shows that it runs."""

    def __init__(self, database: Database) -> None:
        """Own records of a database."""
        self.id: UUID = uuid4()
        self._database = database
        self._held: set[Key] = set()
        self._released: set[Key] = set()
        """Records that the database still shows as held by this process."""
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def holds(self, key: Key) -> bool:
        """Whether this process holds a record."""
        with self._guard:
            return key in self._held

    def hold(self, key: Key, text: str) -> HeldRecord:
        """Write a record that this process holds."""
        kind, name = key
        values = {"kind": kind, "name": name, "text": text, "owner": self.id}
        with self._database.connection() as connection:
            connection.execute(HOLD, values)
        with self._guard:
            self._held.add(key)
            self._released.discard(key)
            self._start()
        return HeldRecord(self, key)

    def release(self, key: Key) -> None:
        """Let go of a record. The others see it in a moment."""
        with self._guard:
            if key in self._held:
                self._held.discard(key)
                self._released.add(key)
                self._wake.set()

    def forget(self, key: Key) -> None:
        """Forget a record that was removed."""
        with self._guard:
            self._held.discard(key)
            self._released.discard(key)

    def close(self) -> None:
        """Let go of all records."""
        self._ended = True
        self._wake.set()
        if self._thread is None:
            return
        self._thread.join()
        with suppress(StoreError), self._database.connection() as connection:
            connection.execute(END, [self.id])

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="connected-apps-mcp-heartbeat", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        pause = BEAT_SECONDS
        while not self._ended:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                self._beat()
                pause = BEAT_SECONDS
            except StoreError:
                pause = RETRY_SECONDS

    def _beat(self) -> None:
        with self._guard:
            released = sorted(self._released)
        values = {
            "owner": self.id,
            "kinds": [kind for kind, _ in released],
            "names": [name for _, name in released],
        }
        with self._database.connection() as connection:
            connection.execute(BEAT, values)
        with self._guard:
            self._released.difference_update(released)
