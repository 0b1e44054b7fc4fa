"""`connected-apps-mcp secrets`: the stored client secrets, for people and scripts."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from connected_apps_mcp.settings import loading

from .common import Commands, log_to_stderr, print_stderr, report_losses, run, setting_flags

if TYPE_CHECKING:
    from datetime import datetime

    from connected_apps_tools import ToolContext
    from connected_apps_tools.secrets.checking import CheckedSecret
    from connected_apps_tools.secrets.stores import StoredEntry, StoredSecret, Which

_where = setting_flags(("profile", "secret_store", "data_dir", "sandbox", "sandbox_db", "base_url"))
_which = click.option(
    "--next",
    "upcoming",
    is_flag=True,
    help="Use the next secret of a rotation, not the current one.",
)
_app = click.argument("client_id")


MAX_ERROR = 2_000
"""Longest error to show, in characters."""


class NotWorking(click.ClickException):
    """A stored secret is dead, or could not be checked."""


class _VariableName(click.ParamType[str]):
    """The name of an environment variable."""

    name = "NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
            self.fail("give the name of a variable, such as CLIENT_SECRET", param, ctx)
        return value


@click.group(cls=Commands)
def secrets() -> None:
    """List, show, use, deliver and delete stored client secrets.

    Give the flags that the server runs with. The commands need the project, of a profile, of
    STYTCH_PROJECT_ID or of the sandbox. With its secret, they look up interrupted calls too.
    """


@secrets.command("list")
@click.option(
    "--check", is_flag=True, help="Find out at the service whether each works; fail if not."
)
@_where
def list_secrets(check: bool, **flags: object) -> None:  # noqa: FBT001 - click's
    """List stored secrets, and those that may be lost.

    It shows no secret, only its last four characters, and which destination got it last. The
    location of the store goes to standard error.
    """

    async def act(project: ToolContext) -> None:
        from connected_apps_tools.secrets.stores import PartlyListed

        try:
            await _print(project, await project.secrets.store.entries(), check=check)
        except PartlyListed as partly:
            with suppress(NotWorking):  # the other error says more
                await _print(project, partly.entries, check=check)
            raise
        finally:
            await report_losses(project)

    _with_project(act, flags)


async def _print(project: ToolContext, entries: Sequence[StoredEntry], *, check: bool) -> None:
    found = "Stored" if entries else "Nothing is stored yet"
    print_stderr(f"{found} {_location(project)}")
    all_work = True
    for entry in entries:
        checked = await _check(project, entry) if check else None
        state = f"  {checked.state}: {checked.why}" if checked else ""
        _print_at(entry.stored_at, f"{entry.client_id}  {entry.which:7}  …{entry.last_four}", state)
        all_work &= checked is None or checked.state == "alive"
    for client_id in dict.fromkeys(entry.client_id for entry in entries):
        for each in await project.deliveries.of(client_id):
            said = f"{client_id}  delivered …{each.last_four} to {each.destination}"
            _print_at(each.delivered_at, said)
    if not all_work:
        raise NotWorking("Not every stored secret was seen working.")


def _print_at(when: datetime, line: str, after: str = "") -> None:
    from connected_apps_tools.text.printable import printable

    click.echo(f"{printable(line)}  {when:%Y-%m-%d %H:%M}Z{after}")


async def _check(project: ToolContext, entry: StoredEntry) -> CheckedSecret:
    from connected_apps_tools.secrets.checking import check_stored

    return await check_stored(project.api, project.secrets.store, entry.client_id, entry.which)


@secrets.command()
@_app
@_which
@_where
def show(client_id: str, upcoming: bool, **flags: object) -> None:  # noqa: FBT001 - click's
    """Print a secret."""

    async def act(project: ToolContext) -> None:
        click.echo(
            (await _require_stored(project, client_id, upcoming=upcoming)).secret.get_secret_value()
        )

    _with_project(act, flags)


@secrets.command()
@_app
@_which
@_where
@click.confirmation_option(prompt="The service cannot show it again. Delete it from the store?")
def forget(client_id: str, upcoming: bool, **flags: object) -> None:  # noqa: FBT001 - click's
    """Delete a secret from the store.

    The secret stays valid at the service, but no copy of it remains.
    """

    async def act(project: ToolContext) -> None:
        from connected_apps_tools.storage.errors import StoreError

        with suppress(StoreError):  # an unreadable secret can be deleted too
            await _require_stored(project, client_id, upcoming=upcoming)
        await project.secrets.store.remove(client_id, _named(upcoming=upcoming))

    _with_project(act, flags)


@secrets.command()
@_app
@click.argument("destination")
@_which
@_where
@setting_flags(("policy",))
def deliver(client_id: str, destination: str, upcoming: bool, **flags: object) -> None:  # noqa: FBT001 - click's
    """Bring a secret to a destination of the policy.

    The policy names the destinations: commands that get the secret, and keys of dotenv files. The
    secret is not printed, and neither is what the command prints. The store stays as it is, also
    if it fails. Example:

    connected-apps-mcp secrets deliver CLIENT_ID github --next --policy policy.toml
    """

    async def act(project: ToolContext) -> None:
        from connected_apps_tools.catalogue.secrets import delivery
        from connected_apps_tools.errors import ConnectedAppsError

        try:
            project.policy.destination(destination, client_id)
            stored = await _require_stored(project, client_id, upcoming=upcoming)
            done = await delivery.deliver(project, destination, stored)
        except ConnectedAppsError as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"Delivered the {done.which} secret, …{done.last_four}, to {destination}.")
        if done.note:
            print_stderr(f"Warning: {done.note}")

    _with_project(act, flags)


@secrets.command("run")
@_app
@click.option(
    "--as",
    "name",
    required=True,
    type=_VariableName(),
    help="Environment variable to put the secret in.",
)
@_which
@_where
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_with(
    client_id: str,
    name: str,
    upcoming: bool,  # noqa: FBT001 - click's
    command: tuple[str, ...],
    **flags: object,
) -> None:
    """Run a command with a secret in its environment.

    The secret is not printed. Example:

    connected-apps-mcp secrets run CLIENT_ID --as CLIENT_SECRET -- ./deploy.sh
    """

    async def act(project: ToolContext) -> str:
        return (
            await _require_stored(project, client_id, upcoming=upcoming)
        ).secret.get_secret_value()

    environment = os.environ | {name: _with_project(act, flags)}
    try:
        _become(command, environment)
    except OSError as error:
        raise click.ClickException(f"{command[0]}: {error.strerror}") from None


def _become(command: tuple[str, ...], environment: dict[str, str]) -> NoReturn:
    """Run a command in the place of this process."""
    if sys.platform == "win32":  # the shell would not wait for a process that takes the place
        import subprocess

        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603 - the user asked for it
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, its children must not
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(command[0], command, environment)  # noqa: S606 - the user asked for it


async def _require_stored(project: ToolContext, client_id: str, *, upcoming: bool) -> StoredSecret:
    from connected_apps_tools.text.printable import printable

    which = _named(upcoming=upcoming)
    await report_losses(project, client_id)
    stored = await project.secrets.store.get(client_id, which)
    if stored is None:
        app = printable(client_id)
        raise click.ClickException(
            f"No {which} secret of {app} is stored {_location(project)} Give the flags that its "
            "server runs with. secrets list shows what is stored."
        )
    return stored


def _location(project: ToolContext) -> str:
    return f"in {project.secrets.store.where}, for project {project.api.project_id}."


def _named(*, upcoming: bool) -> Which:
    return "next" if upcoming else "current"


def _with_project(act: Any, flags: dict[str, object]) -> Any:  # noqa: ANN401 - what it returns
    from connected_apps_mcp.wiring import open_project
    from connected_apps_tools.storage.errors import StoreError
    from connected_apps_tools.text.printable import printable

    log_to_stderr("warning")

    async def run_act() -> Any:  # noqa: ANN401 - as above
        async with open_project(loading.load_for_secrets(**flags)) as project:
            return await act(project)

    try:
        return run(run_act)
    except StoreError as error:
        raise click.ClickException(printable(str(error), MAX_ERROR)) from None
