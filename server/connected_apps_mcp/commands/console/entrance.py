"""Lets one person in: one console at a time, and a link that only a person sees."""

import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from anyio import to_thread

from connected_apps_mcp.commands.common import before_a_person
from connected_apps_tools.storage.console_record import ConsoleRecord, RunningConsole
from connected_apps_tools.storage.errors import StoreError

NO_TERMINAL = (
    "Everybody with the link gets in, so it is shown to a person only: run connected-apps-mcp "
    "console in a terminal, or where it can open a browser."
)


class NotOpened(click.ClickException):
    """There is no console."""

    exit_code = 2


@contextmanager
def only_one(folder: Path, console: RunningConsole) -> Iterator[None]:
    """Be the only console on the data of a folder.

    Raises:
        NotOpened: another one runs.
    """
    record = ConsoleRecord(folder)
    try:
        lock = record.claim(console)
        other = None if lock else record.find()
    except StoreError as error:
        raise NotOpened(f"--data-dir: {error}") from None
    if lock is None:
        raise NotOpened(_runs_already(other))
    try:
        yield
    finally:
        with suppress(StoreError):
            record.leave(lock)


def _runs_already(other: RunningConsole | None) -> str:
    where = f", at {other.origin}" if other else ""
    return (
        f"A console runs already{where}. It ends with Ctrl-C where it was started, and by itself "
        "after 15 minutes without a request."
    )


async def show_link(link: str, *, opens: bool) -> bool:
    """Open the link in the browser, or print it to a person. Return whether one can see it."""
    address = link.partition("#")[0]
    if opens and await to_thread.run_sync(webbrowser.open, link, abandon_on_cancel=True):
        click.echo(f"Opened {address} in the browser. To end it: Ctrl-C.")
    elif before_a_person():
        click.echo(f"Open this link within 5 minutes. It counts once. To end it: Ctrl-C.\n\n{link}")
    else:
        return False
    return True
