"""Looks for calls that were interrupted, and for calls that wait for a person."""

import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from connected_apps_mcp.confirmation.approvals import KIND, Approvals
from connected_apps_mcp.diagnosis.check import Result, broken, cause, ok, warning
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_mcp.wiring import JOURNAL, shared_state
from connected_apps_tools.secrets.journal import Journal
from connected_apps_tools.secrets.recovery import report_on
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import Records

from .folders import private_folder, usable_data_folder

DELETE = "DELETE FROM connected_apps_mcp.records WHERE kind = '{}' AND name = '{}';"


def journal(settings: Settings) -> Iterator[Result]:
    """Whether another process left a call unfinished. Nothing is recovered here."""
    with _records(settings, JOURNAL) as records:
        if records is None:
            return
        try:
            intents, unreadable = Journal(records).abandoned()
        except StoreError as error:
            yield broken(cause(error), _how_to_open(settings, records))
            return
    look = command("secrets", "list", settings=settings)
    looks = "Another server" if settings.shared_database else "The next start of the server"
    for intent in intents:
        text = report_on(intent, ". Its secret may be stored nowhere.").for_people
        yield warning(text, f"{looks} looks for it. Or run: {look}")
    for name in unreadable:
        yield warning(
            f"The journal contains {name}, which this version cannot read.",
            f"Use the version that wrote it. If it is damaged, run {look}, then: "
            f"{_how_to_remove(settings, records, name)}",
        )
    if not intents and not unreadable:
        yield ok("No call was interrupted.")


def approvals(settings: Settings) -> Iterator[Result]:
    """Whether calls wait for the approval of a person."""
    with _records(settings, KIND) as records:
        if records is None:
            return
        try:
            calls = list(Approvals(records).look())
        except StoreError as error:
            yield broken(cause(error), _how_to_open(settings, records))
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


@contextmanager
def _records(settings: Settings, kind: str) -> Iterator[Records | None]:
    """The records of a kind; None where `folders` or `database` reports what is wrong."""
    folder = usable_data_folder(settings)
    with ExitStack() as opened:
        records: Records | None = None
        if folder:
            with suppress(SettingsError):
                records = opened.enter_context(shared_state(settings, folder)).records(kind)
        yield records


def _how_to_open(settings: Settings, records: Records) -> str:
    """What to do where records cannot be read."""
    if settings.shared_database:
        return f"When the database is repaired, run: {command('database', 'check')}"
    return private_folder(Path(records.place))


def _how_to_remove(settings: Settings, records: Records, name: str) -> str:
    """How to remove a record that is of no use."""
    if settings.shared_database:
        return DELETE.format(JOURNAL, name.replace("'", "''"))
    return f"rm {shlex.quote(str(Path(records.place) / name))}"
