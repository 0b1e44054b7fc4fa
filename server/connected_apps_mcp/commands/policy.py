"""`connected-apps-mcp policy`: check a policy before a server uses it, and see what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config

from .common import Commands, log_to_stderr, run, setting_flags

if TYPE_CHECKING:
    from connected_apps_tools.api.client import ConnectedAppsClient
    from connected_apps_tools.api.models import ConnectedApp
    from connected_apps_tools.safety.policy import Policy

MAX_PRINTED_NAME = 64
"""Longest app name to print, in characters."""


class _CannotCheck(click.ClickException):
    """The apps cannot be read."""

    exit_code = 2


@click.group(cls=Commands)
def policy() -> None:
    """Check the policy, the file that limits what tools may do."""


@policy.command()
@setting_flags(("policy", "profile", "sandbox", "sandbox_db", "base_url"))
def check(**flags: object) -> None:
    """Check a policy file, and list the apps that break it.

    It prints the rules of the file, and the destinations that cannot be used on this machine, which
    need not be that of the server. With the credentials of a project, or with --sandbox, it checks
    the apps too. It changes nothing.

    Exit code 0: no app breaks a rule. 1: an app breaks a rule. 2: the file is invalid, or the apps
    cannot be read.
    """
    settings = _with_policy(flags)
    click.echo(f"{settings.policy} is valid.")
    for line in _rule_lines(settings.loaded_policy):
        click.echo(f"  {line}")
    for note in _unusable(settings.loaded_policy):
        click.echo(f"Note: {note}")
    if settings.sandbox or settings.project_id or settings.secret:
        if not settings.sandbox:
            settings.credentials()
        log_to_stderr("warning")
        if run(_check_apps, settings):
            raise SystemExit(1)
    else:
        needed = f"{config.PROJECT_ID} and {config.SECRET}, or use {config.flag('sandbox')}"
        click.echo(f"No apps were checked. To check them, set {needed}.")


@policy.command()
@setting_flags(("policy",))
@click.option("--issuer", metavar="URL", help="The issuer of the token.")
@click.option("--subject", metavar="ID", help="The user or service that the token stands for.")
@click.option("--client", metavar="ID", help="The OAuth client that holds the token.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group of the user.")
@click.option("--email-domain", metavar="DOMAIN", help="The domain of the verified e-mail address.")
def caller(groups: tuple[str, ...], policy: str | None, **facts: str | None) -> None:
    """Show what a caller over HTTP may do at most.

    It names the rules for the caller, and prints what they and the rest of the policy leave. The
    settings of the server and the token of the caller can narrow it further.
    """
    from connected_apps_tools import TOOLSETS
    from connected_apps_tools.safety.caller_rules import CallerFacts
    from connected_apps_tools.selection import Selection, narrowed, select_tools

    settings = _with_policy({"policy": policy})
    rules, who = settings.loaded_policy, CallerFacts(groups=frozenset(groups), **facts)
    own, reachable = rules.for_caller(who), rules.reachable_by(who)
    offer = narrowed(
        TOOLSETS,
        select_tools(
            TOOLSETS,
            Selection(list(filter(None, TOOLSETS)), destinations=tuple(rules.destinations)),
        ),
        own,
        reachable,
    )
    click.echo(f"Rules for this caller: {', '.join(rules.rules_for(who)) or 'none'}")
    for line in _rule_lines(own.model_copy(update={"callers": ()})):
        click.echo(f"  {line}")
    click.echo(f"Scopes at most: {_listed(reachable)}")
    click.echo(f"Scopes with --auth-scopes policy: {_listed(reachable & rules.granted_to(who))}")
    click.echo(f"Tools at most: {_listed(offer.on)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _with_policy(flags: dict[str, Any]) -> config.Settings:
    settings = loading.read(**flags)
    if settings.policy is None:
        raise config.SettingsError(
            f"{config.flag('policy')} or {config.variable('policy')}: name the file to check."
        )
    return settings


def _rule_lines(policy: Policy) -> list[str]:
    return [f"{key} = {_as_toml(value)}" for key, value in policy.rules().items()] or ["No limits."]


def _unusable(policy: Policy) -> list[str]:
    """A sentence for each destination that cannot be used here."""
    from connected_apps_tools.secrets.delivery.bringing import means_of

    problems = {name: means_of(each).problem() for name, each in policy.destinations.items()}
    return [f"destinations.{name}: {problem}" for name, problem in problems.items() if problem]


def _as_toml(value: object) -> str:
    """A value in TOML, made printable."""
    from connected_apps_tools.text.printable import printable

    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {_as_toml(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    text = json.dumps(value, ensure_ascii=False)
    return printable(text, len(text))


async def _check_apps(settings: config.Settings) -> int:
    """Print the apps that break the policy; return their number."""
    from connected_apps_mcp.wiring import open_client
    from connected_apps_tools.errors import ConnectedAppsError

    async with open_client(settings) as api:
        try:
            return await _report(api, settings.loaded_policy)
        except ConnectedAppsError as error:
            raise _CannotCheck(f"The apps cannot be read: {error}") from None


async def _report(api: ConnectedAppsClient, policy: Policy) -> int:
    from connected_apps_tools.api.pagination import AppPages
    from connected_apps_tools.errors import UnexpectedAnswer

    seen = broken = 0
    protected = policy.every_protected_app()
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
        raise UnexpectedAnswer("the service's list of apps has no last page.")
    for key, missing in absent.items():
        for each in sorted(missing):
            click.echo(f"Note: protected_apps.{key} matches no app here: {_as_toml(each)}")
    click.echo(f"{broken} of {seen} apps break the policy.")
    return broken


def _print_app(app: ConnectedApp, breaches: list[str]) -> None:
    from connected_apps_tools.text.printable import printable
    from connected_apps_tools.text.redaction import REDACTOR

    name = printable(app.client_name, MAX_PRINTED_NAME)
    lines = [f"{printable(app.client_id)} ({name})", *(f"  {breach}" for breach in breaches)]
    click.echo(REDACTOR.redact("\n".join(lines)))
