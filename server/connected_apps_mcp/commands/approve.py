"""`connected-apps-mcp approve`: a person allows what a client could not ask about."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from connected_apps_mcp.settings import settings as config

from .common import log_to_stderr, setting_flags

if TYPE_CHECKING:
    from connected_apps_mcp.confirmation.approvals import PendingCall


NO_TERMINAL = "To approve takes a terminal: run connected-apps-mcp approve in one."


class _Unapproved(click.ClickException):
    """Nothing was approved."""

    exit_code = 2


@click.command()
@setting_flags(("data_dir", "sandbox", "sandbox_db"))
def approve(**flags: object) -> None:
    """Look at the calls that wait for a person, and allow each of them once, or not.

    A call waits for 10 minutes after it was refused, and an approval holds for 10 minutes: for the
    same call, with exactly the same arguments, on the app as it is. It takes a terminal, so that a
    program does not approve by accident.

    It looks in the data folder: give the server's --data-dir, if it has one.
    """
    from connected_apps_mcp.confirmation.approvals import FOLDER, Approvals
    from connected_apps_mcp.wiring import data_folder
    from connected_apps_tools.storage.errors import StoreError

    settings = config.read(**flags)
    if settings.sandbox_in_memory and not settings.data_dir:
        raise config.SettingsError("--data-dir: a sandbox in memory needs one to be approved for.")
    log_to_stderr("warning")
    if settings.data_dir and not settings.data_dir.exists():
        raise config.SettingsError(f"--data-dir: there is no folder {settings.data_dir}.")
    with data_folder(settings) as folder:
        approvals = Approvals(folder / FOLDER)
        try:
            waiting = [each for each in approvals if not each.approved]
            if not waiting:
                click.echo(f"No call waits for approval in {approvals.place}.")
            for each in waiting:
                _show(each)
                if not _at_terminal():
                    continue
                if click.confirm("Allow this call once?", default=False):
                    approvals.approve(each)
                    click.echo("It may be made once, within 10 minutes.")
                elif click.confirm("Forget it?", default=True):
                    approvals.remove(each)
            if waiting and not _at_terminal():
                raise _Unapproved(NO_TERMINAL)
        except StoreError as error:
            raise _Unapproved(str(error)) from None


def _show(waiting: PendingCall) -> None:
    click.echo(f"\n{waiting.tool}, refused at {waiting.since:%Y-%m-%d %H:%M:%S} UTC")
    # In ASCII, so that no text of a stranger can play with the terminal; and first, so that long
    # ones do not push away what the person has to read.
    click.echo(f"Arguments: {json.dumps(waiting.arguments)}")
    click.echo(waiting.question)


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
