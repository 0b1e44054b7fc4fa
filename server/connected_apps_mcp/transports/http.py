"""Serves many clients over HTTP: Streamable HTTP at /mcp, the older SSE transport at /sse."""

import asyncio
import logging
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from functools import partial

import anyio
import uvicorn
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult
from mcp.server.sse import SseServerTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connected_apps_mcp.callers import token_caller
from connected_apps_mcp.egress import AnyContext
from connected_apps_mcp.limits import (
    HEADER_SECONDS,
    MAX_BODY_BYTES,
    MAX_CALLS,
    MAX_CALLS_OF_CALLER,
    MAX_CALLS_TOTAL,
    MAX_SSE_SESSIONS,
    STREAM_METHODS,
    TOO_MANY_REQUESTS,
)
from connected_apps_mcp.protocol.server import AnyServer
from connected_apps_mcp.settings.settings import SettingsError
from connected_apps_tools import observing

from .http_auth import HEALTH, READY, TOO_MANY_STREAMS, Guard
from .http_guards import RedactResponses, RequestTimeouts, SameOriginOnly
from .http_network import Network
from .http_protocol import BoundedProtocol
from .http_streams import StreamableHttp
from .readiness import Readiness
from .shutdown import ShutdownSignals

logger = logging.getLogger(__name__)


def build_app(  # noqa: PLR0913 - each is a separate part
    server: AnyServer,
    transports: Collection[str],
    network: Network,
    plain_tools: Collection[str] = (),
    *,
    guard: Guard | None = None,
    readiness: Readiness | None = None,
    replica: str | None = None,
) -> Starlette:
    """An ASGI application with the given transports, /healthz and /readyz.

    Args:
        server: the server behind all transports.
        transports: any of "http" and "sse".
        network: where the application is.
        plain_tools: tools that send the client nothing but the result, unless it asks for progress.
        guard: lets callers in by their tokens; None to let everybody in.
        readiness: whether more requests should come; by default while the server is up.
        replica: the name of this replica.
    """
    ready = readiness or Readiness({})
    routes: list[BaseRoute] = [Route(HEALTH, _health), Route(READY, ready.show)]
    sessions: AbstractAsyncContextManager[None] = nullcontext()
    direct: dict[str, ASGIApp] = {}
    if "http" in transports:
        streamable = direct[PATHS["http"]] = StreamableHttp(server, plain_tools, replica)
        routes.append(Route(PATHS["http"], streamable))
        sessions = streamable.run()
    if "sse" in transports:
        sse = SseServerTransport("/messages/", max_request_body_size=MAX_BODY_BYTES)
        routes.append(Route(PATHS["sse"], _SseEndpoint(server, sse), methods=["GET"]))
        routes.append(Mount("/messages/", sse.handle_post_message))
    endpoints = [PATHS[transport] for transport in PATHS if transport in transports]
    if guard:
        routes += guard.routes(endpoints)
    app = Starlette(routes=routes, lifespan=lambda _: sessions)
    others = app.build_middleware_stack()

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's routing takes as long as parsing a request.
        await direct.get(scope.get("path", ""), others)(scope, receive, send)

    served: ASGIApp = guard.around(dispatch, endpoints) if guard else dispatch
    near = SameOriginOnly(served, network.hosts, [*network.own_origins, *network.origins])
    app.middleware_stack = RedactResponses(network.before(RequestTimeouts(near)))
    return app


PATHS = {"http": "/mcp", "sse": "/sse"}
"""The path of each transport."""


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok")


class _SseEndpoint:
    """The stream of server-sent events of each client."""

    def __init__(self, server: AnyServer, sse: SseServerTransport) -> None:
        self._server = server
        self._sse = sse
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._open >= MAX_SSE_SESSIONS:
            logger.warning("Refused a stream: %d are open.", self._open)
            return await TOO_MANY_STREAMS(scope, receive, send)
        self._open += 1
        try:
            await self._stream(scope, receive, send)
        finally:
            self._open -= 1

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._sse.connect_sse(scope, receive, send) as (incoming, outgoing):
            await self._server.run(incoming, outgoing, self._server.create_initialization_options())


def bind(host: str, port: int, flags: str = "--host, --port") -> socket.socket:
    """A listening socket, on an address that `flags` name.

    Raises:
        SettingsError: the address is in use or not on this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform == "win32":  # otherwise another process could take over the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise SettingsError(f"{flags}: cannot listen there ({error.strerror}).") from None
    return listener


def authority_of(listener: socket.socket) -> str:
    """The host and port of a listening socket, as in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class CallsInFlight:
    """Middleware of a server that counts tool calls in flight, and refuses too many requests.

    A request may outlive its connection, so a bound on connections does not bound requests.
    """

    def __init__(self) -> None:
        self.count = 0
        self._requests: Counter[int | str] = Counter()
        """Requests in flight, by session, and by the identity of a caller with a token."""
        self._total = 0

    async def __call__(self, ctx: AnyContext, call_next: CallNext) -> HandlerResult:
        """Count a call while it is in flight.

        Raises:
            MCPError: too many requests are in flight.
        """
        if ctx.request_id is None or ctx.method in STREAM_METHODS:
            return await call_next(ctx)
        # The connection lives as long as its requests, so its id is unique among them.
        bounds: dict[int | str, int] = {id(ctx.session._connection): MAX_CALLS}
        if caller := token_caller():
            bounds[caller.identity] = MAX_CALLS_OF_CALLER
        full = any(self._requests[owner] >= bound for owner, bound in bounds.items())
        if full or self._total >= MAX_CALLS_TOTAL:
            observing.event("refusal", rule="too many requests")
            logger.warning("Refused a request: %d are in flight.", self._total)
            raise MCPError(
                TOO_MANY_REQUESTS, "Too many requests are in flight. Wait for a response first."
            )
        is_call = ctx.method == "tools/call"
        self.count += is_call
        self._requests.update(bounds.keys())
        self._total += 1
        try:
            return await call_next(ctx)
        finally:
            self.count -= is_call
            self._total -= 1
            for owner in bounds:
                self._requests[owner] -= 1
                if not self._requests[owner]:
                    del self._requests[owner]


class _DrainingServer(uvicorn.Server):
    """Shuts down once no call is in flight; uvicorn alone would cut off their event streams.

    `ShutdownSignals` handles signals: uvicorn would handle and raise them a second time.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        calls: CallsInFlight,
        *,
        drain_seconds: float = 0,
        shutdown_seconds: float = 0,
    ) -> None:
        super().__init__(config)
        self._calls = calls
        self._drain_seconds = drain_seconds
        self._shutdown_seconds = shutdown_seconds
        self._drained_at: float | None = None
        self._idle_ticks = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with a bound on the time of a TLS handshake, which uvicorn does not set."""
        await super().startup(sockets=[])
        protocol = partial(
            BoundedProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        tls = self.config.ssl
        for listener in sockets or ():
            server = await asyncio.get_running_loop().create_server(
                protocol,
                sock=listener,
                backlog=self.config.backlog,
                ssl=tls,
                ssl_handshake_timeout=HEADER_SECONDS if tls else None,
            )
            self.servers.append(server)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return super().capture_signals() if sys.platform == "win32" else nullcontext()

    def shut_down(self) -> None:
        """Shut down after `drain_seconds`, and `shutdown_seconds` more for calls in flight."""
        # uvicorn logs an error for each stream that is still open.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._drained_at = time.monotonic() + self._drain_seconds

    def shut_down_now(self) -> None:
        """Shut down, whatever is in flight."""
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        if self._drained_at is not None and now >= self._drained_at:
            # One more idle tick, to send the last response.
            self._idle_ticks = 0 if self._calls.count else self._idle_ticks + 1
            late = now > self._drained_at + self._shutdown_seconds
            self.should_exit |= self._idle_ticks > 1 or late
        return await super().on_tick(counter)


def _raise_file_limit() -> None:
    """Allow as many open files as the system does: each connection is one."""
    if sys.platform != "win32":  # there is no such limit there
        import resource

        with suppress(ValueError, OSError):
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def listen(  # noqa: PLR0913 - each is a separate part
    app: ASGIApp,
    listener: socket.socket,
    signals: ShutdownSignals,
    *,
    calls: CallsInFlight | None = None,
    readiness: Readiness | None = None,
    drain_seconds: float = 0,
    shutdown_seconds: float = 0,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve until a signal comes.

    It ends the readiness. `drain_seconds` later, calls in flight have `shutdown_seconds` to finish.
    """
    _raise_file_limit()
    server = _DrainingServer(
        _config(app, tls),
        calls or CallsInFlight(),
        drain_seconds=drain_seconds,
        shutdown_seconds=shutdown_seconds,
    )

    def shut_down() -> None:
        if readiness:
            readiness.end()
        server.shut_down()

    signals.react(shut_down, server.shut_down_now)
    await server.serve(sockets=[listener])


@asynccontextmanager
async def listening(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application meanwhile, beside what this process is for."""
    server = _DrainingServer(_config(app), CallsInFlight())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        try:
            yield
        finally:
            server.should_exit = True


def _config(app: ASGIApp, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=BoundedProtocol,
        ws="none",
        timeout_graceful_shutdown=1,
        ssl_context_factory=(lambda *_: tls) if tls else None,
    )
