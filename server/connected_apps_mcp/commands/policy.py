"""`connected-apps-mcp policy`: what the operator allows, tried out before it is in force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from connected_apps_mcp.settings import settings as config

from .common import Commands, log_to_stderr, run, setting_flags

if TYPE_CHECKING:
    from connected_apps_tools.api.client import ConnectedAppsClient
    from connected_apps_tools.api.models import ConnectedApp
    from connected_apps_tools.safety.policy import Policy

MAX_PRINTED_NAME = 64
"""Characters of an app's name that are shown."""


class _CannotCheck(click.ClickException):
    """The apps could not be read to their end."""

    exit_code = 2


@click.group(cls=Commands)
def policy() -> None:
    """Look after the policy, the file that says what tools may do."""


@policy.command()
@setting_flags(("policy", "sandbox", "sandbox_db", "base_url"))
def check(**flags: object) -> None:
    """Check a policy file, print its rules, and list the apps that break them.

    The apps are looked at where there is a project: STYTCH_PROJECT_ID and STYTCH_SECRET, or
    --sandbox. Nothing is changed.

    The exit code is 0 where all is well, 1 where an app breaks a rule, and 2 where the file is not
    right or the apps cannot be read.
    """
    settings = config.read(**flags)
    if settings.policy is None:
        raise config.SettingsError(
            f"{config.flag('policy')} or {config.variable('policy')}: name the file to check."
        )
    click.echo(f"{settings.policy} is in order.")
    for line in _described(settings.rules):
        click.echo(f"  {line}")
    if settings.sandbox or settings.project_id or settings.secret:
        if not settings.sandbox:
            settings.credentials()
        log_to_stderr("warning")
        if run(_check_apps, settings):
            raise SystemExit(1)
    else:
        given = f"{config.PROJECT_ID} and {config.SECRET}, or use {config.flag('sandbox')}"
        click.echo(f"No apps were looked at: for that, set {given}.")


def _described(policy: Policy) -> list[str]:
    return [f"{key} = {_written(value)}" for key, value in policy.rules().items()] or ["No limits."]


def _written(value: object) -> str:
    """A value as TOML has it, without what cannot be seen."""
    from connected_apps_tools.text.printable import printable

    text = json.dumps(value, ensure_ascii=False)
    return printable(text, len(text))


async def _check_apps(settings: config.Settings) -> int:
    """How many apps break the policy. Each of them is printed."""
    from connected_apps_mcp.wiring import open_client
    from connected_apps_tools.errors import ConnectedAppsError

    async with open_client(settings) as api:
        try:
            return await _report(api, settings.rules)
        except ConnectedAppsError as error:
            raise _CannotCheck(f"The apps cannot be read: {error}") from None


async def _report(api: ConnectedAppsClient, policy: Policy) -> int:
    from connected_apps_tools.api.pagination import AppPages
    from connected_apps_tools.errors import UnexpectedAnswer

    seen = broken = 0
    protected = policy.protected_apps
    absent = {"client_ids": set(protected.client_ids), "names": set(protected.names)}
    walk = AppPages(api)
    async for page in walk:
        for app in page.apps:
            seen += 1
            absent["client_ids"].discard(app.client_id.casefold())
            absent["names"].discard(app.client_name)
            if breaches := policy.broken_rules(app):
                broken += 1
                _print_app(app, breaches)
    if walk.ended != "end":
        raise UnexpectedAnswer("the service's pages of apps do not come to an end.")
    for key, strays in absent.items():
        for stray in sorted(strays):
            click.echo(f"Note: protected_apps.{key} fits no app here: {_written(stray)}")
    click.echo(f"{broken} of {seen} apps break the policy.")
    return broken


def _print_app(app: ConnectedApp, breaches: list[str]) -> None:
    from connected_apps_tools.text.printable import printable
    from connected_apps_tools.text.redaction import REDACTOR

    name = printable(app.client_name, MAX_PRINTED_NAME)
    told = [f"{printable(app.client_id)} ({name})", *(f"  {breach}" for breach in breaches)]
    click.echo(REDACTOR.redact("\n".join(told)))
