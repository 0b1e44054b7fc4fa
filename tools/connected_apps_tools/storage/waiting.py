"""Waits for a lock that another process holds."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import anyio

from .records import Lock
from .threads import in_thread
from .turns import Turn

POLL_SECONDS = 0.05
"""Pause between two attempts."""


async def wait_for_lock(try_lock: Callable[[], Lock | None], seconds: float) -> ExitStack | None:
    """Hold a lock until the returned stack is closed; None if it was not free in time.

    A caller that is cancelled holds nothing. The task relies on the lock, and checks it before each
    write (`turns`).

    Args:
        try_lock: the lock; None where it is taken.
        seconds: how long to wait.

    Raises:
        StoreError: it cannot be locked.
    """
    give_up_at = anyio.current_time() + seconds
    while (lock := await in_thread(try_lock, on_abandoned=close_unused)) is None:
        if anyio.current_time() > give_up_at:
            return None
        await anyio.sleep(POLL_SECONDS)
    held = ExitStack()
    held.callback(Turn.begun(lock).close)
    return held


def close_unused(late: Future[Any]) -> None:
    """Close a lock or a connection that comes after its caller has given up."""

    def close(outcome: Future[Any]) -> None:
        if not outcome.exception() and (late := outcome.result()) is not None:
            late.close()

    late.add_done_callback(close)
