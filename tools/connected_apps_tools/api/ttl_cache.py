"""Something that is read now and then, and remembered for some seconds."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class TtlCache(Generic[T]):
    """The outcome of `read`, at most `seconds` old. Of many who ask at once, one reads."""

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._known: tuple[float, T] | None = None
        self._reading = anyio.Lock()

    async def __call__(self) -> T:
        """What is remembered, else what is read now. Raises like `read`."""
        async with self._reading:
            asked_at = time.monotonic()
            if self._known and asked_at - self._known[0] < self._seconds:
                return self._known[1]
            outcome = await self._read()
            self._known = asked_at, outcome
            return outcome

    def forget(self) -> None:
        """Read anew on the next question."""
        self._known = None
