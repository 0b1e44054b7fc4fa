"""Shutdown by signals.

First signal: finish calls in flight. Second: stop, but finish storing a client secret. Third: exit
at once.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from types import FrameType
from typing import Self

import anyio

FORCED_EXIT = 3
"""The number of the signal that exits at once."""


class ShutdownSignals:
    """Handles SIGINT, SIGTERM and SIGHUP while it is open; on Windows Ctrl-C and Ctrl-Break.

    SIGHUP stays ignored if it was, as under nohup.
    """

    def __init__(self) -> None:
        self._reactions: tuple[Callable[[], object], ...] = ()
        self._received = 0
        """Signals that the process received."""
        self._handled = 0
        """Signals that the event loop handled."""
        self._tasks = anyio.create_task_group()
        self._handlers = ExitStack()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        if sys.platform == "win32":
            self._handle_outside_the_loop(signal.SIGINT, signal.SIGBREAK)
        else:
            numbers = [signal.SIGINT, signal.SIGTERM]
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                numbers.append(signal.SIGHUP)
            receiver = anyio.open_signal_receiver(*numbers)
            received = self._handlers.enter_context(receiver)  # now, not when the task runs
            for number in numbers:
                signal.signal(number, self._count_signal)
            self._tasks.start_soon(self._listen, received)
        return self

    def _handle_outside_the_loop(self, *numbers: signal.Signals) -> None:
        """Handle signals without the event loop, which handles none on Windows but wakes up."""
        loop = asyncio.get_running_loop()

        def handle(number: int, frame: FrameType | None) -> None:
            self._count_signal(number, frame)
            loop.call_soon_threadsafe(self._react_to_one)

        for number in numbers:
            self._handlers.callback(signal.signal, number, signal.signal(number, handle))

    async def __aexit__(self, *_: object) -> None:
        self._tasks.cancel_scope.cancel()
        # Without the exception, which the group would wrap.
        await self._tasks.__aexit__(None, None, None)
        self._handlers.close()

    def react(self, *reactions: Callable[[], object]) -> None:
        """Call these on the first and second signal, or now if the signal already came."""
        self._reactions = reactions
        for reaction in reactions[: self._handled]:
            reaction()

    def shut_down(self) -> None:
        """Do what the next signal would do."""
        self._react_to_one()

    def _count_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Count outside the event loop, which may be blocked."""
        self._received += 1
        if self._received == FORCED_EXIT:
            os._exit(1)

    async def _listen(self, received: AsyncIterator[signal.Signals]) -> None:
        async for _ in received:
            self._react_to_one()

    def _react_to_one(self) -> None:
        self._handled += 1
        for reaction in self._reactions[self._handled - 1 : self._handled]:
            reaction()
