"""`connected-apps-mcp database`: the tables in the database that servers share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.credentials import DATABASE_URL, SettingsError

from .common import Commands

if TYPE_CHECKING:
    from collections.abc import Iterator


class _CannotUse(click.ClickException):
    """The database cannot be used as it is."""


@click.group(cls=Commands)
def database() -> None:
    """Make or check the tables in the database that servers share.

    CONNECTED_APPS_MCP_DATABASE_URL names the database.
    """


@database.command()
@click.option(
    "--server-role",
    metavar="ROLE",
    help="Role of the servers, which gets the rights that they need and no more. Default: none.",
)
def migrate(server_role: str | None) -> None:
    """Make the tables, or bring them to this version.

    Give the URL of a role that may make tables. Run it before you replace the servers: those of
    the version before go on working.
    """
    with _explained():
        url = _url()
        from connected_apps_tools.storage.postgres.schema import migrate

        for name in migrate(url, server_role):
            click.echo(f"Applied {name}.")
    click.echo("The tables are those of this version.")


@database.command()
def check() -> None:
    """Check that a server of this version can use the database.

    Exit code 0: it can. 1: it cannot.
    """
    with _explained():
        url = _url()
        from connected_apps_mcp.audit.table import WARNING, may_change_lines
        from connected_apps_tools.storage.postgres.database import Database

        with Database(url) as found:
            found.check()
            click.echo("The database can be used.")
            if may_change_lines(found):
                click.echo(f"Warning: {WARNING}")


def _url() -> str:
    from connected_apps_mcp.wiring import usable_url

    url = loading.read().database_url
    if url is None:
        raise SettingsError(f"{DATABASE_URL} is not set.")
    return usable_url(url)


@contextmanager
def _explained() -> Iterator[None]:
    from connected_apps_tools.storage.errors import StoreError

    try:
        yield
    except StoreError as error:
        raise _CannotUse(str(error)) from None
