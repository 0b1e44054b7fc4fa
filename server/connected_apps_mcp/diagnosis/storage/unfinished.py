"""Looks for calls that were interrupted, and for calls that wait for a person."""

import shlex
from collections.abc import Iterator

from connected_apps_mcp.confirmation.approvals import KIND, Approvals
from connected_apps_mcp.diagnosis.check import Result, broken, cause, ok, warning
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.wiring import JOURNAL
from connected_apps_tools.secrets.journal import Journal
from connected_apps_tools.secrets.recovery import report_on
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import FolderState

from .folders import private_folder, usable_data_folder


def journal(settings: Settings) -> Iterator[Result]:
    """Whether another process left a call unfinished. Nothing is recovered here."""
    folder = usable_data_folder(settings)
    if folder is None:
        return
    place = folder / JOURNAL
    try:
        intents, unreadable = Journal(FolderState(folder).records(JOURNAL)).abandoned()
    except StoreError as error:
        yield broken(cause(error), private_folder(place))
        return
    look = command("secrets", "list", settings=settings)
    for intent in intents:
        text = report_on(intent, ". Its secret may be stored nowhere.").for_people
        yield warning(text, f"Let the next start of the server look for it, or run: {look}")
    for name in unreadable:
        file = shlex.quote(str(place / name))
        yield warning(
            f"The journal contains {name}, which this version cannot read.",
            f"Use the version that wrote it. If it is damaged, run {look}, then: rm {file}",
        )
    if not intents and not unreadable:
        yield ok("No call was interrupted.")


def approvals(settings: Settings) -> Iterator[Result]:
    """Whether calls wait for the approval of a person."""
    folder = usable_data_folder(settings)
    if folder is None:
        return
    place = folder / KIND
    try:
        calls = list(Approvals(FolderState(folder).records(KIND)).look())
    except StoreError as error:
        yield broken(cause(error), private_folder(place))
        return
    approve = command("approve", settings=settings)
    expired = sum(has_expired for _, has_expired in calls)
    waiting = sum(not call.approved and not has_expired for call, has_expired in calls)
    if waiting:
        yield warning(f"Calls that wait for approval: {waiting}.", f"In a terminal, run: {approve}")
    if expired:
        yield warning(f"Calls that have expired: {expired}.", f"To remove them, run: {approve}")
    if not waiting and not expired:
        yield ok("No call waits for approval.")
