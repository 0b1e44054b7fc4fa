"""Serves clients over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connected_apps_mcp.auth.access import open_access
from connected_apps_mcp.commands.common import print_stderr
from connected_apps_mcp.transports.http.app import PATHS, build_app
from connected_apps_mcp.transports.http.auth import Guard
from connected_apps_mcp.transports.http.in_flight import CallsInFlight
from connected_apps_mcp.transports.http.listening import authority_of, bind, listen
from connected_apps_mcp.transports.http.network import Network
from connected_apps_mcp.transports.http.tls import tls_context

from .service import Service


async def serve_http(service: Service) -> None:
    """Serve until a signal comes."""
    settings = service.settings
    tls = tls_context(*settings.tls) if settings.tls else None
    with bind(settings.host, settings.port) as listener:
        network = Network(
            authority_of(listener),
            settings.public_url,
            settings.allow_origin,
            settings.trusted_proxy,
            tls=tls is not None,
        )
        calls = CallsInFlight()
        service.server.middleware.append(calls)
        plain = [tool.name for tool in service.offer.on.values() if tool.only_reads]
        async with _guard(service, network.url) as guard:
            app = build_app(
                service.server,
                settings.transport,
                network,
                plain,
                guard=guard,
                readiness=service.readiness,
                replica=settings.replica_name,
            )
            for transport in settings.transport:
                print_stderr(f"Serving {network.url}{PATHS[transport]}")
            await listen(
                app,
                listener,
                service.signals,
                calls=calls,
                readiness=service.readiness,
                drain_seconds=settings.drain_seconds,
                shutdown_seconds=settings.shutdown_seconds,
                tls=tls,
            )


@asynccontextmanager
async def _guard(service: Service, public_url: str) -> AsyncIterator[Guard | None]:
    """What lets callers in; None to let everybody in."""
    if service.authorization is None:
        yield None
        return
    async with open_access(
        service.settings,
        public_url,
        {tool.scope for tool in service.offer.on.values()},
        endpoints=[PATHS[transport] for transport in service.settings.transport],
        sandbox=service.issuer,
    ) as access:
        yield Guard(access, service.authorization)
