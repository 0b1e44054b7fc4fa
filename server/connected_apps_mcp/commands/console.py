"""`connected-apps-mcp console`: the apps on a page in the browser, for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config
from connected_apps_mcp.settings.http import HttpSettings

from .common import before_a_person, log_to_stderr, print_stderr, run, setting_flags

if TYPE_CHECKING:
    from socket import socket

    from starlette.applications import Starlette
    from starlette.types import ASGIApp

    from connected_apps_mcp.audit import AuditLog
    from connected_apps_mcp.console.audit_view import AuditView
    from connected_apps_mcp.console.session import Session
    from connected_apps_mcp.protocol.server import AnyServer
    from connected_apps_mcp.settings.settings import Settings
    from connected_apps_mcp.transports.shutdown import ShutdownSignals
    from connected_apps_tools import ToolContext
    from connected_apps_tools.selection import OfferedTools, Selection
    from connected_apps_tools.storage.console_record import RunningConsole

FLAGS = [
    name
    for name in config.FLAGS
    if name not in HttpSettings.model_fields
    and name not in {"metrics_port", "metrics_host", "send_trace_context", "state_key_file"}
]
"""The settings that lead to a project, and that protect it."""

NO_TERMINAL = (
    "The link lets in whoever has it, so it is shown to a person only: run connected-apps-mcp "
    "console in a terminal, or where it can open a browser."
)
NO_PROJECT = "No project is set up, so this is a sandbox with three example apps."


class _NotOpened(click.ClickException):
    """There is no console."""

    exit_code = 2


class _Wanted(NamedTuple):
    port: int
    opens: bool
    first: int
    example: bool


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen on, at 127.0.0.1. Default: a free one.",
)
@click.option("--no-open", is_flag=True, help="Print the link; do not open the browser.")
@click.option(
    "--first",
    type=click.IntRange(1),
    default=1,
    help="Number of the oldest file of the audit log to expect, if older files were archived. "
    "Default: 1.",
)
@setting_flags(FLAGS)
def console(*, port: int, no_open: bool, first: int, **flags: object) -> None:
    """Show the apps in the browser, and approve calls.

    The page shows the apps, what a review finds, the calls of agents that wait for a person, and
    the audit log. Apps are created, changed, rotated and deleted there too.

    What you do there goes through the same policy, questions and audit log as a call of an agent.
    A client secret that you look at there does not pass through a model.

    Only this machine reaches the page. The link counts once, for 5 minutes. The console ends by
    itself after 15 minutes without a request, and at Ctrl-C. One console runs at a time.

    Give the flags that the server runs with: approvals and secrets are in its data folder. Where
    no project is set up, it shows a sandbox with example apps.
    """
    settings, example = _settings(flags)
    if no_open and not before_a_person():
        raise _NotOpened(NO_TERMINAL)
    log_to_stderr(settings.log_level)
    if example:
        print_stderr(NO_PROJECT)
    run(_serve, settings, _Wanted(port, not no_open, first, example))


def _settings(flags: dict[str, Any]) -> tuple[Settings, bool]:
    """The settings, and whether they are those of an example, since nothing is set up."""
    settings = loading.read(**flags)
    if settings.sandbox or settings.project_id or settings.secret:
        return loading.load(**flags), False
    return loading.load(**{**flags, "sandbox": True}), True


async def _serve(settings: Settings, wanted: _Wanted) -> None:
    """Serve until a signal comes, or the session ends."""
    from connected_apps_mcp.confirmation.state_keys import open_security
    from connected_apps_mcp.protocol.server import build_server
    from connected_apps_mcp.transports.shutdown import ShutdownSignals
    from connected_apps_mcp.wiring import open_audit, open_project
    from connected_apps_tools.safety.question import PAGE

    from .serve.clients import introduced
    from .serve.losses import reported_losses

    async with (
        ShutdownSignals() as signals,
        open_project(settings, _sandbox(settings, example=wanted.example)) as project,
        open_audit(settings, project.state) as audit,
        reported_losses(project, regularly=False) as losses,
    ):
        shown = introduced(settings, project, losses, PAGE)
        server = build_server(
            shown,
            _offered(settings.selection),
            confirm=settings.effective("confirm"),
            audit=audit,
            security=open_security(None, project.state),
        )
        opened = _Opened(settings, wanted, signals, shown, server)
        await _serve_page(opened, _audit_view(settings, project, audit, wanted.first))
    print_stderr("The console has ended.")


class _Opened(NamedTuple):
    settings: Settings
    wanted: _Wanted
    signals: ShutdownSignals
    project: ToolContext
    server: AnyServer


async def _serve_page(opened: _Opened, audit: AuditView | None) -> None:
    from connected_apps_mcp.confirmation.approvals import KIND as APPROVALS
    from connected_apps_mcp.confirmation.approvals import Approvals
    from connected_apps_mcp.console.app import Place, build_app
    from connected_apps_mcp.console.approvals import Waiting
    from connected_apps_mcp.console.calls import open_calls
    from connected_apps_mcp.console.session import Session
    from connected_apps_mcp.transports.http.listening import authority_of, bind
    from connected_apps_tools.storage.console_record import RunningConsole

    project = opened.project
    with bind("127.0.0.1", opened.wanted.port, "--port") as listener:
        place, session = Place(authority_of(listener)), Session()
        with _only(project.folder, RunningConsole(place.origin, project.api.project_id)):
            async with open_calls(opened.server, project) as calls:
                waiting = Waiting(Approvals(project.state.records(APPROVALS)))
                app = build_app(place, session, calls, waiting, audit)
                await _listen(opened, app, listener, session, place.link(session))


async def _listen(
    opened: _Opened, app: ASGIApp, listener: socket, session: Session, link: str
) -> None:
    import anyio

    from connected_apps_mcp.transports.http.in_flight import CallsInFlight
    from connected_apps_mcp.transports.http.listening import listen

    in_flight = CallsInFlight()
    opened.server.middleware.append(in_flight)
    is_shown = True

    async def show() -> None:
        nonlocal is_shown
        is_shown = await _show(link, opens=opened.wanted.opens)
        if not is_shown:
            opened.signals.shut_down()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show)
        tasks.start_soon(end_with, session, opened.signals)
        await listen(
            app,
            listener,
            opened.signals,
            calls=in_flight,
            shutdown_seconds=opened.settings.shutdown_seconds,
        )
        tasks.cancel_scope.cancel()
    if not is_shown:
        raise _NotOpened(NO_TERMINAL)


async def end_with(session: Session, signals: ShutdownSignals) -> None:
    """Shut down when the session has ended."""
    await session.wait()
    signals.shut_down()


def _sandbox(settings: Settings, *, example: bool) -> Starlette | None:
    """The sandbox of an example, filled."""
    if not example:
        return None
    from connected_apps_mcp.sandbox.handlers.seeding import seed
    from connected_apps_mcp.sandbox.seeds.seed import Seed
    from connected_apps_mcp.wiring import open_settings_sandbox

    sandbox = open_settings_sandbox(settings)
    seed(sandbox, Seed(example=True))
    return sandbox


def _offered(choice: Selection) -> OfferedTools:
    """The tools that are on. Only the one that shows a stored secret may show one."""
    from connected_apps_tools import TOOLSETS, Effect
    from connected_apps_tools.selection import OfferedTools, select_tools

    offer, hiding = (
        select_tools(TOOLSETS, replace(choice, reveals=reveals))
        for reveals in (choice.reveals, False)
    )
    showing = {name: tool for name, tool in offer.on.items() if tool.effect is Effect.REVEALS}
    return OfferedTools({**hiding.on, **showing}, offer.off)


def _audit_view(
    settings: Settings, project: ToolContext, audit: AuditLog, first: int
) -> AuditView | None:
    """The audit log for the page; None if it goes to standard error."""
    from connected_apps_mcp.console.audit_view import AuditView

    key = settings.audit_key_file
    if settings.audit_log == "-":
        return None
    if settings.audits_in_database:
        from connected_apps_mcp.audit.table import TableSnapshot
        from connected_apps_mcp.wiring import database_of

        return AuditView(partial(TableSnapshot, database_of(project.state)), key, first)
    from connected_apps_mcp.audit.reading import FolderSnapshot

    return AuditView(partial(FolderSnapshot, Path(audit.place)), key, first)


@contextmanager
def _only(folder: Path, console: RunningConsole) -> Iterator[None]:
    """Be the only console on the data of a folder.

    Raises:
        click.ClickException: another one runs.
    """
    from connected_apps_tools.storage.console_record import ConsoleRecord
    from connected_apps_tools.storage.errors import StoreError

    record = ConsoleRecord(folder)
    try:
        lock = record.claim(console)
        other = None if lock else record.find()
    except StoreError as error:
        raise _NotOpened(f"--data-dir: {error}") from None
    if lock is None:
        raise _NotOpened(_runs_already(other))
    try:
        yield
    finally:
        with suppress(StoreError):
            record.leave(lock)


def _runs_already(other: RunningConsole | None) -> str:
    where = f", at {other.origin}" if other else ""
    return (
        f"A console runs already{where}. It ends with Ctrl-C where it was started, and by itself "
        "after 15 minutes without a request."
    )


async def _show(link: str, *, opens: bool) -> bool:
    """Open the link in the browser, or print it to a person. Return whether one can see it."""
    import webbrowser

    from anyio import to_thread

    address = link.partition("#")[0]
    if opens and await to_thread.run_sync(webbrowser.open, link, abandon_on_cancel=True):
        click.echo(f"Opened {address} in the browser. To end it: Ctrl-C.")
    elif before_a_person():
        click.echo(f"Open this link within 5 minutes. It counts once. To end it: Ctrl-C.\n\n{link}")
    else:
        return False
    return True
