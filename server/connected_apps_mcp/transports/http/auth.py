"""Lets callers in by their access tokens, before any transport reads the request.

The server is an OAuth 2.1 resource server (MCP authorization, 2025-11-25 and 2026-07-28): a request
without a valid token gets 401, one beyond the token's scopes 403. Both say what would help.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

import anyio
import pydantic_core
from mcp import types
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.transport_security import RequestBodyLimitMiddleware
from starlette.authentication import AuthCredentials
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Request

from connected_apps_mcp.auth.access import Access
from connected_apps_mcp.auth.refusals import Reason, TokenRefused
from connected_apps_mcp.callers import Caller, CallerToken
from connected_apps_mcp.limits import MAX_BODY_BYTES, MAX_STREAMS_OF_CALLER, STREAM_METHODS
from connected_apps_mcp.protocol.access.authorization import REASON, Authorization
from connected_apps_mcp.protocol.server import SERVER_NAME
from connected_apps_tools import observing
from connected_apps_tools.scopes import Scope

AUTHORIZATION = b"authorization"
SCHEME = b"bearer "

HEALTH, READY = "/healthz", "/readyz"
WELL_KNOWN = "/.well-known/oauth-protected-resource"

CORS = [Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])]
"""Clients in browsers read the metadata, which is public."""

STRANGER = Caller()
"""The caller of a request without a valid token."""

SSE_PATHS = ("/sse", "/messages")

UNREADABLE = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {"code": types.PARSE_ERROR, "message": "The body is not JSON in UTF-8."},
}

UNAVAILABLE = "The issuer of the token does not answer: try again later."
RETRY_AFTER = "30"
"""Seconds after which the keys of an issuer are asked for again."""


TOO_MANY_STREAMS = PlainTextResponse("Too many open streams: try again later.", 503)

logger = logging.getLogger(__name__)


class _NoToken(Exception):
    """A request without a token where RFC 6750 wants it. With an `error`, it is malformed."""

    def __init__(self, why: str, error: str | None = None) -> None:
        super().__init__(why)
        self.error = error


def metadata_routes(access: Access, paths: Sequence[str]) -> list[Route]:
    """The metadata of each endpoint (RFC 9728). That of the first is at the root too.

    The SDK's routes add a slash to an issuer, which clients compare character by character.
    """
    places = {WELL_KNOWN + path: path for path in paths} | {WELL_KNOWN: paths[0]}
    return [
        Route(place, partial(_metadata, access, path), methods=["GET", "OPTIONS"], middleware=CORS)
        for place, path in places.items()
    ]


async def _metadata(access: Access, path: str, _request: HttpRequest) -> Response:
    return JSONResponse(
        {
            "resource": access.public_url + path,
            "authorization_servers": list(access.issuers),
            **({"scopes_supported": access.names(access.offered)} if access.offered else {}),
            "bearer_methods_supported": ["header"],
            "resource_name": SERVER_NAME,
        },
        headers={"Cache-Control": "public, max-age=3600"},
    )


@dataclass(frozen=True)
class Guard:
    """Guards an application, and serves what clients need to get a token.

    Attributes:
        access: how callers are let in.
        authorization: knows the scopes that a request needs.
    """

    access: Access
    authorization: Authorization

    def routes(self, endpoints: Sequence[str]) -> list[Route]:
        """The routes of the metadata and of the issuer."""
        return [*metadata_routes(self.access, endpoints), *self.access.issuer]

    def around(self, app: ASGIApp, endpoints: Sequence[str]) -> ASGIApp:
        """The application behind the guard."""
        public = {HEALTH, READY, *(route.path for route in self.routes(endpoints))}
        return RequireToken(app, self.access, self.authorization, endpoints, public)


class RequireToken:
    """Middleware that lets a request in only with a token that covers it."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        authorization: Authorization,
        endpoints: Sequence[str],
        public: Collection[str],
    ) -> None:
        """Guard an application.

        Args:
            app: the application.
            access: how callers are let in.
            authorization: knows the scopes that a request needs.
            endpoints: the paths of the transports.
            public: the paths that need no token. Every other one does.
        """
        self._app = app
        self._access = access
        self._authorization = authorization
        self._endpoints = endpoints
        self._public = frozenset(public)
        self._streams = _Streams(app)

    async def __call__(self, request: Request, receive: Receive, send: Send) -> None:
        """Serve or refuse a request."""
        is_open = request["type"] != "http" or request["path"] in self._public
        answer = self._app if is_open else await self._let_in(request)
        await answer(request, receive, send)

    async def _let_in(self, request: Request) -> ASGIApp:
        """What answers a request, by its token. Of a stranger's body nothing is read."""
        try:
            token = await self._access.tokens.check(_token_of(request))
        except (_NoToken, TokenRefused) as refused:
            return await self._refuse(request, refused)
        return RequestBodyLimitMiddleware(partial(self._serve, token), MAX_BODY_BYTES)

    async def _serve(
        self, token: CallerToken, request: Request, receive: Receive, send: Send
    ) -> None:
        body = _Replay(receive)
        answer = await self._answer(token, request, body)
        await answer(request, body.receive, send)

    async def _answer(self, token: CallerToken, request: Request, body: "_Replay") -> ASGIApp:
        """What answers a request: the application for this caller, or a refusal."""
        try:
            messages = await body.messages() if request["method"] == "POST" else []
        except ValueError:  # the parser of a transport might take it for a message
            return JSONResponse(UNREADABLE, 400)
        for message in messages:
            needed = self._authorization.needed(message["method"], message.get("params"))
            lacking = token.caller.lacks(needed)
            if lacking and lacking <= token.caller.reachable:  # else the policy refuses it
                return await self._step_up(request, token.caller, message, needed)
        streams = request["method"] == "GET" or any(
            message["method"] in STREAM_METHODS for message in messages
        )
        app = self._streams.of(token.caller) if streams else self._app
        return _as_caller(app, token, until_it_expires=streams)

    async def _refuse(self, request: Request, refused: _NoToken | TokenRefused) -> Response:
        """Refuse a request of an unknown caller."""
        error = "invalid_token" if isinstance(refused, TokenRefused) else refused.error
        if error is None:  # each login begins so
            return self._challenge(request, 401, {}, self._access.offered)
        observing.event("refusal", rule=error)
        what = f"{request['method']} {self._endpoint_of(request)}"
        await self._authorization.refuse(STRANGER, what, None, f"token: {refused}")
        if isinstance(refused, TokenRefused) and refused.reason is Reason.ISSUER_UNAVAILABLE:
            return PlainTextResponse(UNAVAILABLE, 503, headers={"Retry-After": RETRY_AFTER})
        status = 400 if error == "invalid_request" else 401
        why = f"The token is refused: {refused}." if error == "invalid_token" else str(refused)
        fields = {"error": error, "error_description": why}
        return self._challenge(request, status, fields, self._access.offered)

    async def _step_up(
        self, request: Request, caller: Caller, message: Message, needed: frozenset[Scope]
    ) -> Response:
        """Refuse a request, and name all scopes that it needs."""
        reason = f"{REASON}: it needs {', '.join(sorted(needed))}"
        method, params = message["method"], message.get("params")
        await self._authorization.refuse_request(caller, method, params, reason)
        fields = {"error": REASON, "error_description": "The token lacks a scope."}
        return self._challenge(request, 403, fields, needed)

    def _challenge(
        self, request: Request, status: int, error: Mapping[str, str], scopes: Iterable[Scope]
    ) -> Response:
        fields = {
            **error,
            **({"scope": " ".join(names)} if (names := self._access.names(scopes)) else {}),
            "resource_metadata": self._access.public_url + WELL_KNOWN + self._endpoint_of(request),
        }
        shown = ", ".join(f'{name}="{value}"' for name, value in fields.items())
        body = error or {"error_description": "An access token is needed."}
        return JSONResponse(body, status, headers={"WWW-Authenticate": f"Bearer {shown}"})

    def _endpoint_of(self, request: Request) -> str:
        """The endpoint that a request is for. Other paths count as the first one."""
        is_sse = request["path"].startswith(SSE_PATHS) and "/sse" in self._endpoints
        return "/sse" if is_sse else self._endpoints[0]


class _Streams:
    """The open streams of each caller, up to a bound."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: Counter[str] = Counter()

    def of(self, caller: Caller) -> ASGIApp:
        """The application, for one more stream of a caller."""
        return partial(self._serve, caller.identity)

    async def _serve(self, owner: str, request: Request, receive: Receive, send: Send) -> None:
        if self._open[owner] >= MAX_STREAMS_OF_CALLER:
            logger.warning("Refused a stream: %d of this caller are open.", self._open[owner])
            return await TOO_MANY_STREAMS(request, receive, send)
        self._open[owner] += 1
        try:
            await self._app(request, receive, send)
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]


def _token_of(request: Request) -> str:
    """The token of a request.

    Raises:
        _NoToken: there is none, or it is not where RFC 6750 wants it.
    """
    if any(
        name == "access_token" for name, _ in parse_qsl(request["query_string"].decode("latin-1"))
    ):
        raise _NoToken("A token in the URL is refused: send it in the header.", "invalid_request")
    given = [value for name, value in request["headers"] if name == AUTHORIZATION]
    if len(given) > 1:
        raise _NoToken("There are several Authorization headers.", "invalid_request")
    if not given or given[0][: len(SCHEME)].lower() != SCHEME:
        raise _NoToken("An access token is needed.")
    return bytes(given[0][len(SCHEME) :]).strip().decode("latin-1")


class _Replay:
    """The body of a request, which is read here first and then by the transport."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[Message] = []

    async def messages(self) -> list[Message]:
        """The requests in the body.

        Raises:
            ValueError: it is not JSON in UTF-8.
        """
        body = b""
        while not self._read or self._read[-1].get("more_body"):
            self._read.append(await self._receive())
            body += self._read[-1].get("body", b"")
        found = pydantic_core.from_json(body)
        each = found if isinstance(found, list) else [found]
        return [
            message
            for message in each
            if isinstance(message, dict) and isinstance(message.get("method"), str)
        ]

    async def receive(self) -> Message:
        """The next piece of the body."""
        return self._read.pop(0) if self._read else await self._receive()


def _as_caller(app: ASGIApp, token: CallerToken, *, until_it_expires: bool) -> ASGIApp:
    """The application, for a caller. A stream ends when its token expires."""
    user = AuthenticatedUser(token)
    expires = token.expires_at if until_it_expires else None

    async def serve(request: Request, receive: Receive, send: Send) -> None:
        request["user"], request["auth"] = user, AuthCredentials(token.scopes)
        named = auth_context_var.set(user)
        try:
            with anyio.move_on_after(expires and expires - time.time()) as lifetime:
                await app(request, receive, send)
            if lifetime.cancelled_caught:
                await send({"type": "http.response.body", "body": b""})
        finally:
            auth_context_var.reset(named)

    return serve
