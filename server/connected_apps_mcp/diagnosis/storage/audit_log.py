"""Checks the audit log: access, and the lines of its last file."""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from connected_apps_mcp.audit.key import read_key
from connected_apps_mcp.audit.reading import FolderSnapshot, Snapshot, Unreadable
from connected_apps_mcp.audit.verify import verify
from connected_apps_mcp.diagnosis.check import Result, broken, cause, ok
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_mcp.wiring import open_audit_database
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder

from .folders import private_file, private_folder, usable_data_folder


def audit_log(settings: Settings) -> Iterator[Result]:
    """Whether the audit log can be used, and is intact at its end."""
    if settings.audit_key_file:
        try:
            read_key(settings.audit_key_file)
        except StoreError as error:
            yield broken(cause(error), private_file(settings.audit_key_file))
            return
    if settings.audits_in_database:
        yield from _in_database(settings)
        return
    if settings.data_dir and not settings.audit_log and usable_data_folder(settings) is None:
        return  # `folders` reports it
    try:
        folder = settings.audit_folder
    except SettingsError:  # as above
        return
    if folder is None:
        goes = "goes to standard error" if settings.audit_log else "is as temporary as the sandbox"
        yield ok(f"It {goes}.")
        return
    try:
        if not PrivateFolder(folder).names():
            yield ok(f"Nothing is recorded yet in {folder}.")
            return
        yield _in_folder(settings, folder)
    except StoreError as error:
        yield broken(cause(error), f"{private_folder(folder)} Or name another one: --audit-log")


def _in_folder(settings: Settings, folder: Path) -> Result:
    words = ["--audit-log", str(folder)]
    if settings.audit_key_file:
        words += ["--audit-key-file", str(settings.audit_key_file)]
    remedy = (
        f"For details, run: {command('audit', 'verify', *words)}. Restore the files from a copy, "
        f"or move {shlex.quote(str(folder))} away and restart the server, to start a new log."
    )
    try:
        return _verified(FolderSnapshot(folder), settings, remedy)
    except Unreadable as error:
        return broken(str(error), remedy)


def _in_database(settings: Settings) -> Iterator[Result]:
    """The same for a log in the database. Where that cannot be used, `database` reports it."""
    with suppress(SettingsError), open_audit_database(settings) as database:
        from connected_apps_mcp.audit.table import TableSnapshot

        details = command("audit", "verify")
        try:
            database.check()
            yield _verified(
                TableSnapshot(database),
                settings,
                f"For details, run: {details}. Restore the tables from a backup.",
            )
        except Unreadable as error:
            yield ok(str(error))
        except StoreError:
            return


def _verified(log: Snapshot, settings: Settings, remedy: str) -> Result:
    """Whether the last file of a log is intact."""
    found = verify(log, settings.audit_key_file, first=max(log.numbers, default=1))
    if found.problems:
        return broken(" ".join(found.problems), remedy)
    return ok(f"The last file in {log.place} is intact; its last line is {found.last.seq}.")
