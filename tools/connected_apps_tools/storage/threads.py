"""Runs a blocking store in a thread, outside the event loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

import anyio

from .errors import StoreError

T = TypeVar("T")

STORE_SECONDS = 25.0
"""Timeout of one operation of a store (seconds): a person may have to unlock a keyring."""


async def in_thread(
    operation: Callable[..., T],
    *arguments: object,
    on_abandoned: Callable[[Future[T]], object] = lambda _: None,
) -> T:
    """Run an operation of a store or the journal, with a timeout.

    Args:
        operation: what to run.
        arguments: its arguments.
        on_abandoned: takes the outcome if it timed out or the caller was cancelled. The outcome may
            come later, or be there already.

    Raises:
        StoreError: it failed in any way, or timed out.
    """
    outcome: Future[T] = Future()
    done, loop = anyio.Event(), asyncio.get_running_loop()

    def run() -> None:
        try:
            outcome.set_result(operation(*arguments))
        except Exception as error:  # noqa: BLE001 - it is raised where the outcome is awaited
            outcome.set_exception(error)
        with suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(done.set)

    # A daemon thread: a store that hangs must not keep the process alive.
    threading.Thread(target=run, name="connected-apps-mcp-store", daemon=True).start()
    in_time = False
    try:
        with anyio.move_on_after(STORE_SECONDS):
            await done.wait()
            in_time = True
    finally:
        if not in_time:
            on_abandoned(outcome)
    if not in_time:
        raise StoreError(f"no response within {STORE_SECONDS:g} seconds")
    try:
        return outcome.result()
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - a library may raise anything, with any text
        raise StoreError(f"it failed unexpectedly ({type(error).__name__})") from None
