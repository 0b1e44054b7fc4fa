"""Telemetry of the server, as the settings and the variables of OpenTelemetry ask for it."""

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from connected_apps_mcp.commands.common import print_stderr, shorten_foreign
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_mcp.telemetry.variables import PROTOCOL, Signal, other_protocol, wanted
from connected_apps_tools.text.urls import is_loopback

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from connected_apps_mcp.telemetry.acts import Telemetry
    from connected_apps_mcp.telemetry.opening import Opened

NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp", "prometheus_client")
INSTALL = "pip install 'connected-apps-mcp[otel]'"

logger = logging.getLogger(__name__)


@asynccontextmanager
async def observed(settings: Settings) -> AsyncIterator["Telemetry | None"]:
    """What observes the server; None, without an import, if nothing is asked for.

    A host may set the variables for its own sake, so what cannot be done with them is no error.

    Raises:
        SettingsError: the metrics cannot be shown.
    """
    signals, scraped = _signals(os.environ), settings.metrics_port is not None
    if not signals and not scraped and not settings.send_trace_context:
        yield None
        return
    if not all(map(_is_installed, NEEDED)):
        if scraped or settings.send_trace_context:
            flag = "--metrics-port" if scraped else "--send-trace-context"
            raise SettingsError(f"{flag} needs the extra otel: {INSTALL}.")
        logger.warning("OTEL_* variables are set, and the extra otel is missing: %s", INSTALL)
        yield None
        return
    async with AsyncExitStack() as stack:
        opened = _opened(stack, settings, signals)
        if opened is None:
            yield None
            return
        if opened.log:
            opened.log.addFilter(shorten_foreign)
        if settings.metrics_port is not None:
            await stack.enter_async_context(
                _shown(opened.registry, settings.metrics_host, settings.metrics_port)
            )
        yield opened.telemetry


def _opened(
    stack: AsyncExitStack, settings: Settings, signals: frozenset[Signal]
) -> "Opened | None":
    """The telemetry, until the stack is closed; None if a variable is malformed.

    Raises:
        SettingsError: a variable is malformed, and a flag asks for telemetry.
    """
    scraped, to_service = settings.metrics_port is not None, settings.send_trace_context
    try:  # OpenTelemetry reads some variables when it is imported
        from connected_apps_mcp.telemetry.opening import Asked, open_telemetry

        asked = Asked(signals, scraped, to_service, settings.replica_name)
        return stack.enter_context(open_telemetry(asked, os.environ))
    except ValueError as error:
        text = f"A variable of OpenTelemetry is malformed: {error}"
        if scraped or to_service:
            raise SettingsError(text) from None
        logger.warning("Nothing is observed. %s", text)
        return None


def _signals(environment: Mapping[str, str]) -> frozenset[Signal]:
    """The signals that can be sent."""
    signals = wanted(environment)
    for signal in sorted(signals):
        if protocol := other_protocol(environment, signal):
            logger.warning(
                "Sends no %s: the protocol is %s, and the server speaks %s.",
                signal,
                protocol,
                PROTOCOL,
            )
    return frozenset(each for each in signals if not other_protocol(environment, each))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@asynccontextmanager
async def _shown(registry: "CollectorRegistry", host: str, port: int) -> AsyncIterator[None]:
    """Show the metrics on a port of their own."""
    from starlette.types import ASGIApp

    from connected_apps_mcp.telemetry.exposition import PATH, metrics_app
    from connected_apps_mcp.transports.http.guards import RequestTimeouts, SameOriginOnly
    from connected_apps_mcp.transports.http.listening import authority_of, bind, listening
    from connected_apps_mcp.transports.http.network import Network

    with bind(host, port, "--metrics-host, --metrics-port") as listener:
        network = Network(authority_of(listener))
        app: ASGIApp = RequestTimeouts(metrics_app(registry))
        if is_loopback(host):  # elsewhere, nothing says what the host is called
            app = SameOriginOnly(app, network.hosts, network.own_origins)
        async with listening(network.before(app), listener):
            print_stderr(f"Serving metrics on {network.url}{PATH}")
            yield
