"""What signals do: the first asks for an end, the second presses for it, the third ends it."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

import anyio

LAST = 3
"""The signal that ends the process whatever holds it."""


class ShutdownSignals:
    """Reacts to signals for as long as it is open, whatever else is going on.

    It alone handles them: SIGINT, SIGTERM and, where it is not ignored as under nohup, SIGHUP.
    """

    def __init__(self) -> None:
        self._reactions: tuple[Callable[[], object], ...] = ()
        self._arrived = 0
        """Signals that the process has got."""
        self._count = 0
        """Signals that the event loop has heard of."""
        self._tasks = anyio.create_task_group()
        self._receiver: Any = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        if sys.platform != "win32":  # asyncio takes no signals there; hosts close the input
            numbers = [signal.SIGINT, signal.SIGTERM]
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                numbers.append(signal.SIGHUP)
            self._receiver = anyio.open_signal_receiver(*numbers)
            self._receiver.__enter__()  # now, and not when the task runs
            for number in numbers:
                signal.signal(number, self._count_signal)
            self._tasks.start_soon(self._listen)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tasks.cancel_scope.cancel()
        # What was raised inside is none of the group's, which would wrap it.
        await self._tasks.__aexit__(None, None, None)
        if self._receiver:
            self._receiver.__exit__(None, None, None)

    def react(self, *reactions: Callable[[], object]) -> None:
        """Do this on the first and on the second signal. What has come already counts."""
        self._reactions = reactions
        for reaction in reactions[: self._count]:
            reaction()

    def _count_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Count outside of the event loop, which may be held up by whatever it is doing."""
        self._arrived += 1
        if self._arrived == LAST:
            os._exit(1)

    async def _listen(self) -> None:
        async for _ in self._receiver:
            self._count += 1
            for reaction in self._reactions[self._count - 1 : self._count]:
                reaction()
