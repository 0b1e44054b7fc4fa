"""Counts calls in the database, so that a limit holds for all servers together."""

import hashlib
import math
import time
from datetime import timedelta

import anyio

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.database import Database
from connected_apps_tools.storage.postgres.failures import LATE
from connected_apps_tools.storage.threads import in_thread

from .rate_limits import Clock, Rate

COUNT_SECONDS = 2.0
"""How long a call waits to be counted in the database. A read then goes on."""

AWAY_NS = 2_000_000_000
"""How long the database is not asked again after a failure (nanoseconds)."""

CLEAN_NS = 600_000_000_000
"""How often the callers are forgotten that have not called for long (nanoseconds)."""

TAKE = """
WITH taken AS (
    INSERT INTO connected_apps_mcp.rates AS rate (name, caller, full_at)
    VALUES (%(name)s, %(caller)s, now() + %(each)s)
    ON CONFLICT (name, caller) DO UPDATE
    SET full_at = greatest(rate.full_at, now()) + %(each)s
    WHERE greatest(rate.full_at, now()) + %(each)s <= now() + %(burst)s
    RETURNING true
)
SELECT
    EXISTS (SELECT FROM taken),
    (
        SELECT extract(epoch FROM full_at + %(each)s - %(burst)s - now())::float
        FROM connected_apps_mcp.rates WHERE name = %(name)s AND caller = %(caller)s
    )
"""

FORGET = """
DELETE FROM connected_apps_mcp.rates WHERE (name, caller) IN (
    SELECT name, caller FROM connected_apps_mcp.rates WHERE full_at < now()
    FOR UPDATE SKIP LOCKED
)
"""


class SharedRate:
    """The limit of a rate, over all servers that use a database."""

    def __init__(
        self, rate: Rate, database: Database, name: str, clock: Clock = time.monotonic_ns
    ) -> None:
        """Share a rate under a name."""
        self._rate = rate
        self._database = database
        self._name = name
        self._clock = clock
        self._away_until = 0
        self._clean_at = clock() + CLEAN_NS

    async def count(self, caller: str) -> int:
        """Count a call as `Rate.take` does, here and in the database.

        Raises:
            StoreError: it is counted here only.
        """
        seconds = self._rate.take(caller)
        if seconds or not self._rate.each:
            return seconds
        if self._clock() < self._away_until:
            raise StoreError("The database cannot be used.")
        try:
            return await self._take_in_time(caller)
        except StoreError:
            self._away_until = self._clock() + AWAY_NS
            raise

    async def _take_in_time(self, caller: str) -> int:
        with anyio.move_on_after(COUNT_SECONDS):
            return await in_thread(self._take, caller)
        raise StoreError(f"The database cannot be used: {LATE}")

    def _take(self, caller: str) -> int:
        values = {
            "name": self._name,
            "caller": digest(caller),
            "each": timedelta(microseconds=self._rate.each / 1000),
            "burst": timedelta(microseconds=self._rate.burst / 1000),
        }
        with self._database.connection() as connection:
            is_taken, seconds = connection.execute(TAKE, values).fetchone() or (False, None)
            if self._clock() > self._clean_at:
                self._clean_at = self._clock() + CLEAN_NS
                connection.execute(FORGET)
        return 0 if is_taken else max(1, math.ceil(seconds or 0))


def digest(caller: str) -> str:
    """What the database knows of the name of a caller."""
    return hashlib.sha256(caller.encode(errors="surrogatepass")).hexdigest()
