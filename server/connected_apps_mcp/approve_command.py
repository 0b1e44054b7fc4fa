"""`connected-apps-mcp approve`: a person allows what a client could not ask about."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from . import settings as config
from .commands import log_to_stderr, setting_flags

if TYPE_CHECKING:
    from .approvals import Waiting


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
    """
    from connected_apps_tools.secret_store import StoreError

    from .approvals import FOLDER, Approvals
    from .opening import data_folder

    settings = config.read(**flags)
    if settings.ephemeral and not settings.data_dir:
        raise config.SettingsError("--data-dir: a sandbox in memory needs one to be approved for.")
    log_to_stderr("warning")
    with data_folder(settings) as folder:
        approvals = Approvals(folder / FOLDER)
        try:
            waiting = [each for each in approvals if not each.approved]
            if not waiting:
                click.echo("No call waits for approval.")
            for each in waiting:
                _show(each)
                _require_terminal()
                if click.confirm("Allow this call once?", default=False):
                    approvals.approve(each)
                    click.echo("It may be made once, within 10 minutes.")
                elif click.confirm("Forget it?", default=True):
                    approvals.withdraw(each)
        except StoreError as error:
            raise _Unapproved(str(error)) from None


def _show(waiting: Waiting) -> None:
    click.echo(f"\n{waiting.tool}, refused at {waiting.since:%Y-%m-%d %H:%M:%S} UTC")
    # In ASCII, so that no text of a stranger can play with the terminal; and first, so that however
    # long they are, what is to be decided stands before the prompt.
    click.echo(f"Arguments: {json.dumps(waiting.arguments)}")
    click.echo(waiting.question)


def _require_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise _Unapproved("To approve takes a terminal: run connected-apps-mcp approve in one.")
