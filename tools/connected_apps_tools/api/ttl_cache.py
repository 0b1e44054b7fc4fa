"""A cache of one value for some seconds."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Caches the outcome of `read` for `seconds`. Concurrent callers share one read."""

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._cached: tuple[float, T] | None = None
        self._lock = anyio.Lock()

    async def __call__(self) -> T:
        """The cached value, or a new one. Raises like `read`."""
        async with self._lock:
            read_at = time.monotonic()
            if self._cached and read_at - self._cached[0] < self._seconds:
                return self._cached[1]
            outcome = await self._read()
            self._cached = read_at, outcome
            return outcome

    def clear(self) -> None:
        """Read again at the next call."""
        self._cached = None
