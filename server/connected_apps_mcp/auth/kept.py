"""Keeps what an issuer publishes."""

import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from .fetching import FETCH_SECONDS, FetchFailed
from .refusals import Reason, TokenRefused

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 600.0
"""Age at which the value is fetched again."""

MAX_AGE_SECONDS = 3600.0
"""Age at which the value no longer counts, if every fetch since then failed."""

PAUSE_SECONDS = 30.0
"""Least time between two fetches: unknown keys cost the issuer no more than this."""

FIRST_PAUSE_SECONDS = 5.0
"""Least time between two fetches while there is no value at all."""

T = TypeVar("T")
Clock = Callable[[], float]


class Kept(Generic[T]):
    """Keeps the outcome of `fetch`. Concurrent callers share one fetch."""

    def __init__(self, what: str, fetch: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._what = what
        self._fetch = fetch
        self._clock = clock
        self._lock = anyio.Lock()
        self._kept: tuple[float, T] | None = None
        self._attempted_at: float | None = None

    async def get(self) -> T:
        """The value, at most an hour old.

        Raises:
            TokenRefused: there is none.
        """
        usable = self._is_younger_than(MAX_AGE_SECONDS)
        fresh = self._is_younger_than(REFRESH_SECONDS)
        if not fresh and not (usable and self._lock.locked()):
            await self._refresh()
        if self._kept is None or not self._is_younger_than(MAX_AGE_SECONDS):
            raise TokenRefused(Reason.ISSUER_UNAVAILABLE)
        return self._kept[1]

    async def newer(self) -> T:
        """The value, fetched again unless that was done just now. Raises like `get`."""
        await self._refresh()
        return await self.get()

    def _is_younger_than(self, seconds: float) -> bool:
        return self._kept is not None and self._clock() - self._kept[0] < seconds

    async def _refresh(self) -> None:
        async with self._lock:
            now = self._clock()
            pause = FIRST_PAUSE_SECONDS if self._kept is None else PAUSE_SECONDS
            if self._attempted_at is not None and now - self._attempted_at < pause:
                return
            self._attempted_at = now
            try:
                # A caller that hangs up must not take the fetch from those that wait for it.
                with anyio.fail_after(FETCH_SECONDS, shield=True):
                    self._kept = now, await self._fetch()
            except (FetchFailed, TokenRefused, TimeoutError) as error:
                logger.warning(
                    "Could not fetch %s: %s.", self._what, error or "no response in time"
                )
