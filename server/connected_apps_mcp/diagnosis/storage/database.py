"""Checks the database that servers share."""

from collections.abc import Iterator

from connected_apps_mcp.diagnosis.check import Result, broken, ok, warning
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_mcp.wiring import usable_url
from connected_apps_tools.storage.errors import StoreError


def database(settings: Settings) -> Iterator[Result]:
    """Whether a server can use the database, and can change no line of the audit log."""
    if settings.database_url is None:
        return
    try:
        url = usable_url(settings.database_url)
        yield from _usable(url)
    except (SettingsError, StoreError) as error:
        yield broken(str(error), f"When it is repaired, run: {command('database', 'check')}.")


def _usable(url: str) -> Iterator[Result]:
    from connected_apps_mcp.audit.table import WARNING, may_change_lines
    from connected_apps_tools.storage.postgres.database import Database

    with Database(url) as found:
        found.check()
        if may_change_lines(found):
            text, _, remedy = WARNING.partition(". ")
            yield warning(f"{text}.", remedy)
        else:
            yield ok("The database can be used.")
