"""Serves MCP clients, as the settings say."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mcp.server.context import ServerMiddleware

from connected_apps_mcp.audit import AuditLog
from connected_apps_mcp.confirmation.state_keys import open_security
from connected_apps_mcp.protocol.access.authorization import Authorization
from connected_apps_mcp.protocol.access.rate_limits import RateLimits
from connected_apps_mcp.protocol.prompts import RUNBOOKS
from connected_apps_mcp.protocol.server import AnyServer, build_server
from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.transports.readiness import Check, Readiness
from connected_apps_mcp.transports.shutdown import ShutdownSignals
from connected_apps_mcp.wiring import (
    JOURNAL,
    open_audit,
    open_project,
    open_settings_sandbox,
    secrets_command,
)
from connected_apps_tools import TOOLSETS, ToolContext
from connected_apps_tools.context import ServerInfo
from connected_apps_tools.safety.question import CONVERSATION, Audience
from connected_apps_tools.selection import OfferedTools, select_tools
from connected_apps_tools.storage.threads import in_thread

from .losses import reported_losses
from .observed import observed
from .service import Service
from .shared import shared_by_servers

if TYPE_CHECKING:
    from connected_apps_mcp.telemetry.acts import Telemetry


async def serve_clients(settings: Settings) -> None:
    """Serve until a signal comes, or the client closes standard input."""
    issuer = open_settings_sandbox(settings) if settings.auth == "sandbox" else None
    async with (
        ShutdownSignals() as signals,
        observed(settings) as telemetry,
        open_project(settings, issuer) as project,
        open_audit(settings, project.state) as audit,
        reported_losses(project, regularly=settings.shared_database is not None) as losses,
        shared_by_servers(settings, project) as shared,
    ):
        offer = select_tools(TOOLSETS, settings.selection)
        authorization = None
        checks: list[ServerMiddleware[Any]] = []
        if settings.authenticates:
            authorization = Authorization(offer.on, audit, project.api.project_id)
            refuse = authorization.refuse
            rates = RateLimits(offer.on, refuse, reads=shared.reads, changes=shared.changes)
            checks = [authorization, rates]
        server = build_server(
            introduced(settings, project, losses),
            offer,
            confirm=settings.effective("confirm"),
            audit=audit,
            security=open_security(settings.state_key_file, project.state),
            checks=checks,
            bus=shared.bus,
        )
        if telemetry:
            _observe(server, telemetry, offer)
        readiness = Readiness(_readiness_checks(settings, audit, project))
        service = Service(settings, signals, offer, server, authorization, issuer, readiness)
        gc.freeze()
        gc.enable()
        if "stdio" in settings.transport:
            await _serve_stdio(service)
        else:
            from .over_http import serve_http

            await serve_http(service)


def introduced(
    settings: Settings,
    project: ToolContext,
    losses: Sequence[str],
    audience: Audience = CONVERSATION,
) -> ToolContext:
    """The project, with what results say about this server, and about who sees them."""
    about = ServerInfo(
        version=version("connected-apps-mcp"),
        environment=settings.environment,
        profile=settings.profile if settings.logged_in else None,
        losses=losses,
        secrets_command=secrets_command(settings),
        audience=audience,
    )
    return replace(project, server=about, review_limits=settings.review_limits)


def _observe(server: AnyServer, telemetry: "Telemetry", offer: OfferedTools) -> None:
    """Observe every request, outside of all other middleware."""
    from connected_apps_mcp.telemetry.operations import Operations

    server.middleware.insert(0, Operations(telemetry, offer.on, [each.name for each in RUNBOOKS]))


def _readiness_checks(
    settings: Settings, audit: AuditLog, project: ToolContext
) -> Mapping[str, Check]:
    """What has to work for calls. A read-only server needs neither the log nor the store."""
    checks: dict[str, Check] = {"service": project.service_check}
    if not settings.read_only:
        checks["audit_log"] = audit.check
        if project.secrets.store.has_store:
            checks["secret_store"] = project.secrets.store.check
        if settings.shared_database:
            checks["database"] = partial(in_thread, project.state.records(JOURNAL).check)
    return checks


async def _serve_stdio(service: Service) -> None:
    from connected_apps_mcp.transports.stdio import serve_stdio

    await serve_stdio(
        service.server,
        shutdown_seconds=service.settings.shutdown_seconds,
        signals=service.signals,
    )
