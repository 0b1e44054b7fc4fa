"""What signals do: the first asks for an end, the second presses for it, the third ends it."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Self

import anyio

LAST = 3
"""The signal that ends the process whatever holds it."""


class Endings:
    """Reacts to signals for as long as it is open, whatever else is going on.

    A transport puts its reactions to the first and to the second signal into `reactions`.
    """

    def __init__(self) -> None:
        self.reactions: list[Callable[[], object]] = []
        self._tasks = anyio.create_task_group()
        self._receiver: Any = anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        if sys.platform != "win32":  # asyncio takes no signals there; hosts close the input
            # Now, and not when the task runs: uvicorn puts its own handlers over these.
            self._receiver.__enter__()
            self._tasks.start_soon(self._listen)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tasks.cancel_scope.cancel()
        # What was raised inside is none of the group's, which would wrap it.
        await self._tasks.__aexit__(None, None, None)
        if sys.platform != "win32":
            self._receiver.__exit__(None, None, None)

    async def _listen(self) -> None:
        count = 0
        async for _ in self._receiver:
            count += 1
            if count == LAST:
                os._exit(1)
            for react in self.reactions[count - 1 : count]:
                react()
