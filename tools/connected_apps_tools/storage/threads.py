"""Lets a store, which blocks, work beside the event loop."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

import anyio
from anyio import from_thread
from anyio.lowlevel import current_token

from .errors import StoreError

T = TypeVar("T")

STORE_SECONDS = 25.0
"""How long one act of a store may take: a person may have to unlock a keyring."""


async def in_thread(
    act: Callable[..., T],
    *arguments: object,
    leave: Callable[[Future[T]], object] = lambda _: None,
) -> T:
    """Let a store or the journal do something, for a bounded time.

    Args:
        act: what to do.
        arguments: what to give to it.
        leave: takes the outcome where nobody waits for it any more: it took too long, or the
            caller was cancelled. It may yet come, and may be there already.

    Raises:
        StoreError: it failed, in whatever way, or has not come to an end in time.
    """
    outcome: Future[T] = Future()
    done, loop = anyio.Event(), current_token()

    def run() -> None:
        try:
            outcome.set_result(act(*arguments))
        except Exception as error:  # noqa: BLE001 - it is raised where the outcome is awaited
            outcome.set_exception(error)
        with suppress(RuntimeError):  # nobody waits any more
            from_thread.run_sync(done.set, token=loop)

    # A daemon, because a store that hangs must not keep the process alive.
    threading.Thread(target=run, name="connected-apps-mcp-store", daemon=True).start()
    in_time = False
    try:
        with anyio.move_on_after(STORE_SECONDS):
            await done.wait()
            in_time = True
    finally:
        if not in_time:
            leave(outcome)
    if not in_time:
        raise StoreError(f"no answer within {STORE_SECONDS:g} seconds")
    try:
        return outcome.result()
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - a library may raise anything, and say anything in it
        raise StoreError(f"it failed unexpectedly ({type(error).__name__})") from None
