"""`connected-apps-mcp install` and `uninstall`: this server's entries in MCP clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config
from connected_apps_mcp.settings.names import from_environment

from .common import at_terminal, print_stderr, setting_flags

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from connected_apps_mcp.client_configs.clients import Client, Scope
    from connected_apps_mcp.client_configs.entries import Entry
    from connected_apps_mcp.client_configs.installing import Place

Outcome = Literal["changed", "unchanged", "refused"]

F = TypeVar("F", bound=Callable[..., Any])

ENTRY_FLAGS = ("profile", "sandbox", "toolsets", "read_only", "allow_live_writes")
"""The settings that an entry can have. A profile remembers the others."""


class _ClientName(click.ParamType[str]):
    """The name of a client."""

    name = "CLIENT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from connected_apps_mcp.client_configs.clients import BY_KEY
        from connected_apps_tools.text.printable import did_you_mean

        if value not in BY_KEY:
            meant = did_you_mean(value, BY_KEY)
            self.fail(f"unknown client {value!r}.{meant} Known: {', '.join(BY_KEY)}.", param, ctx)
        return value

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from connected_apps_mcp.client_configs.clients import BY_KEY

        return [CompletionItem(key) for key in BY_KEY if key.startswith(incomplete)]


def _where(command: F) -> F:
    """Add the arguments that `install` and `uninstall` share."""
    for add in (
        click.option("--dry-run", is_flag=True, help="Show what would change. Change nothing."),
        click.option(
            "--scope",
            type=click.Choice(["user", "project"]),
            default="user",
            help="The configuration of the user, or that of the project in this folder. "
            "Default: user.",
        ),
        click.option("--all", "everywhere", is_flag=True, help="All clients found here."),
        click.argument("clients", nargs=-1, type=_ClientName(), metavar="[CLIENT]..."),
    ):
        command = add(command)
    return command


@click.command()
@setting_flags(ENTRY_FLAGS)
@_where
def install(
    clients: tuple[str, ...],
    everywhere: bool,  # noqa: FBT001 - click's
    scope: Scope,
    dry_run: bool,  # noqa: FBT001 - click's
    **flags: Any,  # noqa: ANN401 - click's
) -> None:
    """Add this server to MCP clients.

    Clients: claude-code, claude-desktop, cursor, vscode, windsurf, zed, gemini-cli, codex, goose,
    lm-studio, cline, copilot-cli, opencode and kiro. Without one, it asks about each that it finds
    here.

    It adds one entry, which starts this server with the flags given here, and leaves the rest of
    the file as it is. No entry holds a credential: log in first, or use --sandbox. It keeps a
    backup of each file that it changes. Where a client has a command for it, that makes new files.

    Exit code 1: a client could not be configured.
    """
    entry = _entry(_wanted(flags), scope)
    chosen = _chosen(f"Add {entry.name} to", clients, scope, everywhere=everywhere)
    outcomes = {client: _add(client, entry, scope, dry_run=dry_run) for client in chosen}
    if changed := [client.title for client in chosen if outcomes[client] == "changed"]:
        click.echo(f"Next: restart {', '.join(changed)}, and ask: list my connected apps.")
        if scope == "project":
            click.echo("Everybody who shares this project needs connected-apps-mcp on the PATH.")
    if "refused" in outcomes.values():
        raise SystemExit(1)


@click.command()
@setting_flags(("profile", "sandbox"))
@_where
def uninstall(
    clients: tuple[str, ...],
    everywhere: bool,  # noqa: FBT001 - click's
    scope: Scope,
    dry_run: bool,  # noqa: FBT001 - click's
    **which: Any,  # noqa: ANN401 - click's
) -> None:
    """Remove this server from MCP clients.

    With --profile or --sandbox it removes that entry only, else every entry that `install` has
    added. The rest of each file stays as it is.

    Exit code 1: a client could not be configured.
    """
    from connected_apps_mcp.client_configs.entries import name_for

    only = name_for(which["profile"], sandbox=which["sandbox"]) if any(which.values()) else None
    chosen = _chosen("Remove this server from", clients, scope, everywhere=everywhere)
    done = [client for client in chosen if _remove(client, only, scope, dry_run=dry_run)]
    if len(done) < len(chosen):
        raise SystemExit(1)


def _wanted(flags: dict[str, Any]) -> dict[str, Any]:
    """The settings that the entry names: the flags, and variables, which clients do not pass on.

    Raises:
        SettingsError: they are invalid, or an entry with them would find no project.
    """
    from connected_apps_mcp.client_configs.entries import name_for
    from connected_apps_mcp.settings.profiles import Profiles

    settings = loading.read(**flags)
    given = {name: value for name, value in flags.items() if value is not None}
    wanted = {
        name: getattr(settings, name) if config.FLAGS[name].annotation is bool else value
        for name, value in (from_environment(ENTRY_FLAGS) | given).items()
    }
    if settings.sandbox:
        return wanted
    profile = settings.profile or loading.DEFAULT_PROFILE
    if Profiles().find(profile) is None:
        raise config.SettingsError(
            f"There is no profile named {profile}. Run connected-apps-mcp login first: clients do "
            "not pass the environment on. To try it without credentials, use --sandbox."
        )
    if name_for(profile, sandbox=False) == name_for(None, sandbox=True):
        raise config.SettingsError(
            f"The entry of a profile named {profile} would replace that of --sandbox. Log in again "
            "with another --profile."
        )
    # By name, also the default one: a client in a terminal may pass on a variable with another.
    return wanted | {"profile": profile}


def _entry(wanted: dict[str, Any], scope: Scope) -> Entry:
    from connected_apps_mcp.client_configs.entries import PROGRAM, Entry, name_for
    from connected_apps_mcp.client_configs.launch import NotLasting, launch

    try:
        # Colleagues have the program in other places.
        program = launch() if scope == "user" else (PROGRAM,)
    except NotLasting as error:
        raise config.SettingsError(str(error)) from None
    return Entry(
        name_for(wanted.get("profile"), sandbox=wanted.get("sandbox", False)),
        (*program, *_arguments(wanted)),
    )


def _arguments(wanted: dict[str, Any]) -> Iterable[str]:
    for name in ENTRY_FLAGS:
        if name in wanted:
            value, flag = wanted[name], config.flag(name)
            if isinstance(value, bool):
                yield flag if value else f"--no-{flag[2:]}"
            else:
                yield from (flag, value)


def _chosen(question: str, keys: Iterable[str], scope: Scope, *, everywhere: bool) -> list[Client]:
    """The clients that a person named, or chose among those found here."""
    from connected_apps_mcp.client_configs.clients import BY_KEY, CLIENTS

    if keys:
        return [BY_KEY[key] for key in dict.fromkeys(keys)]
    found = [client for client in CLIENTS if client.is_here and client.config(scope)]
    if not found:
        raise config.SettingsError(f"No client was found here. Name one of {', '.join(BY_KEY)}.")
    if everywhere:
        return found
    if not at_terminal():
        raise config.SettingsError(
            f"Name the clients, or use --all. Found here: {', '.join(each.key for each in found)}."
        )
    return [
        client
        for client in found
        if click.confirm(f"{question} {client.title} ({client.config(scope)})?", err=True)
    ]


def _add(client: Client, entry: Entry, scope: Scope, *, dry_run: bool) -> Outcome:
    """Add the entry to a client, and say what was done."""
    from connected_apps_mcp.client_configs.entries import is_same, starts_us
    from connected_apps_mcp.client_configs.installing import Place, Refused

    wanted = client.shape(entry)
    try:
        place = Place.of(client, scope)
        earlier = place.read(entry.name)
        if is_same(earlier, wanted):
            click.echo(f"{client.title}: {entry.name} is already there.")
            return "unchanged"
        if earlier is not None and not starts_us(earlier):
            raise Refused(
                f"{place.file} has another server named {entry.name}. Rename it, then try again."
            )
        if dry_run:
            _show_difference(place, entry.name, earlier, wanted)
            return "unchanged"
        backup = place.add(entry)
    except Refused as refused:
        print_stderr(f"{client.title}: nothing was changed. {refused}")
        return "refused"
    click.echo(f"{client.title}: {entry.name} is in {place.file}.{_kept(backup)}")
    return "changed"


def _remove(client: Client, only: str | None, scope: Scope, *, dry_run: bool) -> bool:
    from connected_apps_mcp.client_configs.entries import Entry, is_name
    from connected_apps_mcp.client_configs.installing import Place, Refused

    try:
        place = Place.of(client, scope)
        names = [name for name in place.ours() if is_name(name) and only in {None, name}]
        for name in names:
            if dry_run:
                _show_difference(place, name, place.read(name), None)
                continue
            backup = place.remove(Entry(name, ()))
            click.echo(f"{client.title}: {name} is removed from {place.file}.{_kept(backup)}")
    except Refused as refused:
        print_stderr(f"{client.title}: nothing was changed. {refused}")
        return False
    if not names:
        click.echo(f"{client.title}: no entry of this server in {place.file}.")
    return True


def _show_difference(place: Place, name: str, before: object, after: object) -> None:
    """Show an entry before and after, and nothing else of the file: it may hold credentials."""
    from connected_apps_mcp.client_configs.entries import without_values

    click.echo(f"{place.client.title}: {place.file}, {'.'.join(place.client.path)}.{name}")
    for sign, entry in (("-", before), ("+", after)):
        if entry is not None:
            for line in json.dumps(without_values(entry), indent=2).splitlines():
                click.echo(f"{sign} {line}")


def _kept(backup: object) -> str:
    return f" The earlier file is {backup}." if backup else ""
