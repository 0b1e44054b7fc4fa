"""Keeps what an issuer publishes."""

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from connected_apps_mcp.auth.refusals import Reason, TokenRefused

from .fetching import FETCH_SECONDS, FetchFailed

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 600.0
"""Age at which the value is fetched again."""

MAX_AGE_SECONDS = 3600.0
"""Age at which the value no longer counts, if every fetch since then failed."""

PAUSE_SECONDS = 30.0
"""Least time between two fetches for unknown keys, and between two that fail."""

FIRST_PAUSE_SECONDS = 5.0
"""Least time between two fetches that fail while there is no value at all."""

T = TypeVar("T")
Clock = Callable[[], float]


class Kept(Generic[T]):
    """Keeps the outcome of `fetch`. Concurrent callers share one fetch."""

    def __init__(self, what: str, fetch: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._what = what
        self._fetch = fetch
        self._clock = clock
        self._lock = anyio.Lock()
        self._kept: T | None = None
        self._kept_at = self._attempted_at = self._renewed_at = -math.inf

    async def get(self) -> T:
        """The value, at most an hour old.

        Raises:
            TokenRefused: there is none.
        """
        usable = self._age() < MAX_AGE_SECONDS
        if self._age() >= REFRESH_SECONDS and not (usable and self._lock.locked()):
            await self._refresh()
        if self._kept is None or self._age() >= MAX_AGE_SECONDS:
            raise TokenRefused(Reason.ISSUER_UNAVAILABLE)
        return self._kept

    async def newer(self) -> T:
        """The value, fetched again unless somebody wanted that just now. Raises like `get`."""
        async with self._lock:
            if self._clock() - self._renewed_at >= PAUSE_SECONDS:
                self._renewed_at = self._clock()
                await self._attempt()
        return await self.get()

    def _age(self) -> float:
        return self._clock() - self._kept_at

    async def _refresh(self) -> None:
        async with self._lock:
            pause = FIRST_PAUSE_SECONDS if self._kept is None else PAUSE_SECONDS
            stale = self._age() >= REFRESH_SECONDS
            if stale and self._clock() - self._attempted_at >= pause:
                await self._attempt()

    async def _attempt(self) -> None:
        now = self._attempted_at = self._clock()
        try:
            # A caller that hangs up must not take the fetch from those that wait for it.
            with anyio.fail_after(FETCH_SECONDS, shield=True):
                self._kept, self._kept_at = await self._fetch(), now
        except (FetchFailed, TokenRefused, TimeoutError) as error:
            logger.warning("Could not fetch %s: %s.", self._what, error or "no response in time")
