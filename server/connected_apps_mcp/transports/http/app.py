"""The application: Streamable HTTP at /mcp, the older SSE transport at /sse."""

import logging
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, nullcontext

from mcp.server.sse import SseServerTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connected_apps_mcp.limits import MAX_BODY_BYTES, MAX_SSE_SESSIONS
from connected_apps_mcp.protocol.server import AnyServer
from connected_apps_mcp.transports.readiness import Readiness

from .auth import HEALTH, READY, TOO_MANY_STREAMS, Guard
from .guards import RedactResponses, RequestTimeouts, SameOriginOnly
from .network import Network
from .streams import StreamableHttp

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
