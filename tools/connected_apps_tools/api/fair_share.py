"""Shares requests in flight fairly among callers."""

from collections import OrderedDict, deque
from contextvars import ContextVar

import anyio

share_key: ContextVar[str] = ContextVar("share_key", default="")
"""Who makes the requests of this context. Each key gets the same share."""


class FairShare:
    """A number of slots. Enter it to take one, and leave it to free that slot.

    A free slot is taken at once. If none is free, those who wait get the freed ones: one caller
    after the other, and each caller's in the order in which they came.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        """While somebody waits, none is free."""
        self._waiting: OrderedDict[str, deque[anyio.Event]] = OrderedDict()
        """Those who wait, by caller. The first caller is next."""

    async def __aenter__(self) -> None:
        """Take a slot, or wait for one."""
        if self._free:
            self._free -= 1
        else:
            await self._turn()

    async def __aexit__(self, *_: object) -> None:
        """Free a slot for the next in turn."""
        if not self._waiting:
            self._free += 1
            return
        key, queue = self._waiting.popitem(last=False)
        queue.popleft().set()
        if queue:
            self._waiting[key] = queue

    async def _turn(self) -> None:
        key, turn = share_key.get(), anyio.Event()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # the slot came together with the cancellation
                await self.__aexit__()
            else:
                self._leave(key, turn)
            raise

    def _leave(self, key: str, turn: anyio.Event) -> None:
        self._waiting[key].remove(turn)
        if not self._waiting[key]:
            del self._waiting[key]
