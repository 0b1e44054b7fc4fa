"""Reports secrets that may be lost, since a process ended before it had stored them."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from connected_apps_mcp.commands.common import report_losses
from connected_apps_mcp.wiring import JOURNAL
from connected_apps_tools import ToolContext
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.storage.waiting import close_unused

PAUSE_SECONDS = (10.0, 20.0)
"""Between two looks. It varies, so that the servers do not all look at once."""

AFTER_OUTAGE_SECONDS = 30.0
"""Time for the others to show that they run, before their calls count as interrupted."""


@asynccontextmanager
async def reported_losses(project: ToolContext, *, regularly: bool) -> AsyncIterator[list[str]]:
    """Report what ended processes have left, now, and `regularly` where other servers may end.

    Yields:
        The last reports for models. They change.
    """
    printed: set[str] = set()
    losses = await report_losses(project, printed=printed)
    if not regularly:
        yield losses
        return
    looks = anyio.create_task_group()
    await looks.__aenter__()
    looks.start_soon(_look_regularly, project, losses, printed)
    try:
        yield losses
    finally:
        looks.cancel_scope.cancel()
        await looks.__aexit__(None, None, None)  # which would wrap an error of the caller


async def _look_regularly(project: ToolContext, losses: list[str], printed: set[str]) -> None:
    while True:
        await anyio.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - no secret
        try:
            try_lock = project.state.records(JOURNAL).try_lock
            lock = await in_thread(try_lock, ".recovery", on_abandoned=close_unused)
        except StoreError:
            await anyio.sleep(AFTER_OUTAGE_SECONDS)
            continue
        if lock is None:  # another server looks
            continue
        try:
            losses[:] = await report_losses(project, printed=printed)
        finally:
            lock.close()
