"""`connected-apps-mcp login`, `logout`, `whoami` and `profiles`: credentials in named profiles."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config
from connected_apps_mcp.settings.names import from_environment

from .common import at_terminal, log_to_stderr, run, setting_flags

if TYPE_CHECKING:
    from pydantic import JsonValue

    from connected_apps_mcp.settings.profiles import Profile, Profiles

MAX_SECRET = 4_096
"""Longest secret to read from standard input, in characters."""

LIVE_NOTE = "It is a live project: tools only read it, unless a server has --allow-live-writes."


class _Refused(click.ClickException):
    """The service did not accept the credentials, or did not answer."""


def _profile_name(_context: click.Context, _option: click.Parameter, given: str | None) -> str:
    return loading.chosen_profile(given)


_profile = click.option(
    "--profile",
    "name",
    metavar="NAME",
    callback=_profile_name,
    help=f"Name of the profile. Default: {loading.DEFAULT_PROFILE}. ${config.variable('profile')}",
)


@click.command()
@_profile
@click.option("--project-id", metavar="ID", help="The project, to be asked only for its secret.")
@setting_flags(loading.REMEMBERED)
def login(name: str, project_id: str | None, **flags: object) -> None:
    """Store the credentials of a project in a profile.

    It asks for the project id and for its secret, which it does not echo. If standard input is not
    a terminal, it reads the secret from there; then give --project-id. It proves the credentials
    with one read call, and stores the secret in the OS keyring; without a keyring, in a file that
    only you may read.

    The profile remembers the other flags that are given here. Logging in to the same project again
    keeps those that are not given anew.
    """
    from connected_apps_mcp.settings.profiles import Profiles

    profiles = Profiles()
    earlier = _earlier(profiles, name)
    project_id = project_id or _ask_for_project(earlier)
    same_project = earlier is not None and earlier.project_id == project_id
    remembered = earlier.settings if earlier and same_project else {}
    settings = loading.check(
        remembered
        | {flag: value for flag, value in flags.items() if value is not None}
        | {"project_id": project_id, "secret": _read_secret()}
    )
    log_to_stderr("warning")
    run(_prove, settings)
    _store(profiles, name, settings)
    _say_next(name, settings)


@click.command()
@_profile
def logout(name: str) -> None:
    """Remove a profile, with the secret of its project.

    The client secrets that servers stored stay where they are.
    """
    from connected_apps_mcp.settings.profiles import Profiles

    Profiles().remove(name)
    click.echo(f"Logged out: profile {name} and the secret of its project are removed.")


@click.command()
@setting_flags(("profile", "sandbox", "base_url"))
def whoami(**flags: object) -> None:
    """Show the project in use, and check its credentials.

    It makes one read call. Exit code 1: the service refuses the credentials, or does not answer.
    """
    settings = loading.load(**flags)
    log_to_stderr("warning")
    credentials = "sandbox" if settings.sandbox else settings.sources["project_id"]
    facts = {
        "Project": "in the sandbox" if settings.sandbox else settings.known_project(),
        "Environment": settings.environment,
        "Credentials": f"from {credentials}",
    }
    for name, fact in facts.items():
        click.echo(f"{name + ':':13}{fact}")
    run(_prove, settings)
    click.echo("Service:     answers")
    if settings.environment == "live":
        click.echo(LIVE_NOTE)


@click.command()
def profiles() -> None:
    """List the profiles, with their projects and settings."""
    from connected_apps_mcp.settings.profiles import DamagedProfile, Profiles

    book = Profiles()
    names = book.names()
    if not names:
        click.echo("There is no profile. To make one, run connected-apps-mcp login.", err=True)
    for name in names:
        try:
            profile = book.get(name)
        except DamagedProfile as error:
            click.echo(f"{name:12} {error}", err=True)
            continue
        click.echo(
            f"{name:12} {profile.project_id}  secret in {book.where(name, profile.secret_in)}"
        )
        for setting, value in profile.settings.items():
            click.echo(f"{'':12} {config.flag(setting)} {_shown(value)}")


def _earlier(profiles: Profiles, name: str) -> Profile | None:
    """The profile to replace; None where there is none, or a damaged one."""
    from connected_apps_mcp.settings.profiles import DamagedProfile

    try:
        return profiles.find(name)
    except DamagedProfile:
        return None


def _shown(value: JsonValue) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.lower() if isinstance(value, bool) else text


def _ask_for_project(earlier: Profile | None) -> str:
    if not at_terminal():
        raise config.SettingsError(
            "--project-id is needed: standard input is not a terminal, so it gives the secret."
        )
    default = earlier.project_id if earlier else None
    return str(click.prompt("Project id", default=default, err=True)).strip()


def _read_secret() -> str:
    """The secret, asked for without echo, or read from standard input."""
    try:
        secret = _asked_for() if at_terminal() else _piped()
    except UnicodeDecodeError:
        raise config.SettingsError("The secret is not text.") from None
    return secret.strip()


def _asked_for() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # getpass warns where it would echo
        return str(click.prompt("Secret (it is not shown)", hide_input=True, err=True))


def _piped() -> str:
    if secret := sys.stdin and sys.stdin.read(MAX_SECRET + 1).strip():
        return secret
    raise config.SettingsError("Standard input holds no secret.")


async def _prove(settings: config.Settings) -> None:
    """Make one read call.

    Raises:
        _Refused: it failed.
    """
    from connected_apps_mcp.wiring import open_client
    from connected_apps_tools.api.models import PageOfApps
    from connected_apps_tools.errors import ConnectedAppsError
    from connected_apps_tools.text.printable import printable

    try:
        async with open_client(settings) as api:
            await api.search(PageOfApps(limit=1))
    except ConnectedAppsError as error:
        cause = printable(str(error), 2000)
        raise _Refused(f"The credentials could not be proved. {cause}") from None


def _store(profiles: Profiles, name: str, settings: config.Settings) -> None:
    from connected_apps_mcp.settings.profiles import Profile

    credentials = settings.credentials()
    kept_in = profiles.best_place()
    remembered = _remembered(settings)
    profile = Profile(project_id=credentials.project_id, secret_in=kept_in, settings=remembered)
    stay = profiles.put(name, profile, credentials.secret)
    click.echo(f"Logged in to {credentials.project_id}, as profile {name}.")
    click.echo(f"Its secret is in {profiles.where(name, kept_in)}.")
    if kept_in == "file":
        click.echo("No OS keyring answers here. Only you may read that file; it is not encrypted.")
    for place in stay:
        click.echo(f"An earlier secret is still in {place}, which does not answer.", err=True)


def _remembered(settings: config.Settings) -> dict[str, JsonValue]:
    """The settings to remember. Paths are absolute, since servers run in other folders."""
    names = settings.model_fields_set & set(loading.REMEMBERED)
    paths = {
        name: value.absolute()
        for name in names
        if isinstance(value := getattr(settings, name), Path)
    }
    chosen = settings.model_copy(update=paths).model_dump_json(include=names)
    return dict(sorted(json.loads(chosen).items()))


def _say_next(name: str, settings: config.Settings) -> None:
    if settings.environment == "live":
        click.echo(LIVE_NOTE)
    given = [config.variable(each) for each in from_environment(("project_id", "secret"))]
    if given:
        click.echo(f"The environment gives {' and '.join(given)}, which win over profiles.")
    chosen = "" if name == loading.DEFAULT_PROFILE else f" --profile {name}"
    click.echo(f"Next: connected-apps-mcp install{chosen}")
