"""Serves the page to one person, until the session ends."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import socket
from typing import NamedTuple

import anyio
from starlette.applications import Starlette
from starlette.types import ASGIApp

from connected_apps_mcp.audit import AuditLog
from connected_apps_mcp.commands.common import print_stderr
from connected_apps_mcp.commands.serve.clients import introduced
from connected_apps_mcp.commands.serve.losses import reported_losses
from connected_apps_mcp.confirmation.approvals import KIND as APPROVALS
from connected_apps_mcp.confirmation.approvals import Approvals
from connected_apps_mcp.confirmation.state_keys import open_security
from connected_apps_mcp.console.app import Place, build_app
from connected_apps_mcp.console.approvals import Waiting
from connected_apps_mcp.console.audit_view import AuditView
from connected_apps_mcp.console.calls import open_calls
from connected_apps_mcp.console.session import Session
from connected_apps_mcp.protocol.server import AnyServer, build_server
from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.transports.http.in_flight import CallsInFlight
from connected_apps_mcp.transports.http.listening import authority_of, bind, listen
from connected_apps_mcp.transports.shutdown import ShutdownSignals
from connected_apps_mcp.wiring import open_audit, open_project
from connected_apps_tools import TOOLSETS, Effect, ToolContext
from connected_apps_tools.safety.question import PAGE
from connected_apps_tools.selection import OfferedTools, Selection, select_tools
from connected_apps_tools.storage.console_record import RunningConsole

from .entrance import NO_TERMINAL, NotOpened, only_one, show_link


class Wanted(NamedTuple):
    """How to serve the page.

    Attributes:
        port: where to listen; 0 for a free port.
        opens: whether to open the browser.
        first: the number of the oldest file of the audit log.
        example: whether to show example apps.
    """

    port: int
    opens: bool
    first: int
    example: bool


async def serve(settings: Settings, wanted: Wanted) -> None:
    """Serve until a signal comes, or the session ends.

    Raises:
        NotOpened: another console runs here, or no person can see the link.
    """
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
    wanted: Wanted
    signals: ShutdownSignals
    project: ToolContext
    server: AnyServer


async def _serve_page(opened: _Opened, audit: AuditView | None) -> None:
    project = opened.project
    with bind("127.0.0.1", opened.wanted.port, "--port") as listener:
        place, session = Place(authority_of(listener)), Session()
        with only_one(project.folder, RunningConsole(place.origin, project.api.project_id)):
            async with open_calls(opened.server, project) as calls:
                waiting = Waiting(Approvals(project.state.records(APPROVALS)))
                app = build_app(place, session, calls, waiting, audit)
                await _listen(opened, app, listener, session, place.link(session))


async def _listen(
    opened: _Opened, app: ASGIApp, listener: socket, session: Session, link: str
) -> None:
    in_flight = CallsInFlight()
    opened.server.middleware.append(in_flight)
    is_shown = True

    async def show() -> None:
        nonlocal is_shown
        is_shown = await show_link(link, opens=opened.wanted.opens)
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
        raise NotOpened(NO_TERMINAL)


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
    key = settings.audit_key_file
    if settings.audit_log == "-":
        return None
    if settings.audits_in_database:
        from connected_apps_mcp.audit.table import TableSnapshot
        from connected_apps_mcp.wiring import database_of

        return AuditView(partial(TableSnapshot, database_of(project.state)), key, first)
    from connected_apps_mcp.audit.reading import FolderSnapshot

    return AuditView(partial(FolderSnapshot, Path(audit.place)), key, first)
