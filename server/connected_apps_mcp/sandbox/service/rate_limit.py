"""Fixed-window rate limiting, one window for each operation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimit:
    """At most `calls` calls of one operation in a window of `seconds`.

    Limits per endpoint in fixed windows are KNOWN; the figures and `Retry-After` are UNKNOWN. The
    header is off by default: a client that works without it works with it too.
    """

    calls: int
    seconds: float
    retry_after: bool = False


class RateLimiter:
    """Counts the calls of one process. The first call after a window opens the next one."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def seconds_to_wait(self, operation: str) -> int | None:
        """Count a call; return None if it is allowed, else whole seconds to the next window."""
        now = self._clock()
        opened, calls = self._windows.get(operation, (now, 0))
        if now - opened >= self._limit.seconds:
            opened, calls = now, 0
        if calls >= self._limit.calls:
            # Subtracting first, rounding cannot make the wait longer than the window.
            return max(1, math.ceil(self._limit.seconds - (now - opened)))
        self._windows[operation] = (opened, calls + 1)
        return None

    def headers(self, wait: int) -> dict[str, str]:
        """Return the headers of a refusal."""
        return {"retry-after": str(wait)} if self._limit.retry_after else {}
