"""`connected-apps-mcp approve`: a person approves calls that a client could not ask about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config

from .common import before_a_person, log_to_stderr, setting_flags

if TYPE_CHECKING:
    from connected_apps_mcp.confirmation.approvals import PendingCall


APPROVED = "Approved for one call within 10 minutes."
NOT_WAITING = "Not approved: this call does not wait any more."
NO_TERMINAL = "Approving needs a terminal: run connected-apps-mcp approve in one."


class _NotApproved(click.ClickException):
    """No call was approved."""

    exit_code = 2


@click.command()
@setting_flags(("profile", "data_dir", "sandbox", "sandbox_db"))
def approve(**flags: object) -> None:
    """Approve or reject the calls that wait for a person.

    A refused call waits for 10 minutes. An approval is valid for 10 minutes and for one call with
    the same arguments on the unchanged app. Approving needs a terminal, so that no program approves
    by accident.

    Give the flags that the server runs with: pending calls are in its data folder or database.
    """
    from connected_apps_mcp.confirmation.approvals import KIND, Approvals
    from connected_apps_mcp.wiring import data_folder, shared_state
    from connected_apps_tools.storage.errors import StoreError

    settings = loading.read(**flags)
    if settings.sandbox_in_memory and not settings.data_dir:
        raise config.SettingsError("--data-dir is needed for a sandbox in memory.")
    log_to_stderr("warning")
    if settings.data_dir and not settings.data_dir.exists():
        raise config.SettingsError(f"--data-dir: there is no folder {settings.data_dir}.")
    with data_folder(settings) as folder, shared_state(settings, folder) as state:
        approvals = Approvals(state.records(KIND))
        try:
            pending = [each for each in approvals if not each.approved]
            if not pending:
                click.echo(f"No call waits for approval in {approvals.place}.")
            for each in pending:
                _show(each)
                if not before_a_person():
                    continue
                if click.confirm("Approve this call once?", default=False):
                    still_waits = approvals.approve(each)
                    click.echo(APPROVED if still_waits else NOT_WAITING)
                elif click.confirm("Discard it?", default=True):
                    approvals.remove(each)
            if pending and not before_a_person():
                raise _NotApproved(NO_TERMINAL)
        except StoreError as error:
            raise _NotApproved(str(error)) from None


def _show(call: PendingCall) -> None:
    click.echo(f"\n{call.tool}, refused at {call.since:%Y-%m-%d %H:%M:%S} UTC")
    # In ASCII, so that untrusted text cannot act on the terminal. First, so that long arguments do
    # not push the question off the screen.
    click.echo(f"Caller: {json.dumps(call.caller)}")
    click.echo(f"Arguments: {json.dumps(call.arguments)}")
    click.echo(call.question)
