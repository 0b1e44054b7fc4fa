"""Work that goes on when its caller is cancelled."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Self, TypeVar

import anyio
from anyio.abc import TaskGroup

from connected_apps_tools.errors import InvalidRequest

T = TypeVar("T")

MAX_UNDER_WAY = 200
"""Most works under way at once. They go on without their callers, so only this limits them."""


class UninterruptedWork:
    """Runs work to its end. Use it as an async context manager: leaving it waits for the work."""

    def __init__(self) -> None:
        self._tasks: TaskGroup = anyio.create_task_group()
        self._under_way = 0

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        # Not the arguments: the group would wrap an error of the caller.
        await self._tasks.__aexit__(None, None, None)

    async def run(self, work: Callable[[], Awaitable[T]], held: ExitStack | None = None) -> T:
        """Run the work so that it goes on if the caller is cancelled. Raises like the work.

        `held` is closed when the work ends, not before.

        Raises:
            InvalidRequest: too much is under way.
        """
        if self._under_way >= MAX_UNDER_WAY:
            refusal = InvalidRequest("Nothing was sent: too many changes of secrets are under way.")
            refusal.transient, refusal.hint = True, "Wait a moment, then try again."
            raise refusal
        outcome: list[T | Exception] = []
        done = anyio.Event()

        async def run() -> None:
            with anyio.CancelScope(shield=True), owned:
                try:
                    outcome.append(await work())
                except Exception as error:  # noqa: BLE001 - it is raised in the caller
                    outcome.append(error)
                finally:
                    self._under_way -= 1
            done.set()

        self._tasks.start_soon(run)
        self._under_way += 1
        owned = held.pop_all() if held else ExitStack()  # `run` closes it from now on
        await done.wait()
        (result,) = outcome
        if isinstance(result, Exception):
            raise result
        return result
