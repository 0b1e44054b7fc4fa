"""Streamable HTTP at one path. A request gets a stream only if its handler may need one."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, cast
from weakref import WeakValueDictionary

import mcp_types
import pydantic_core
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import Message, Receive, Scope, Send

from connected_apps_mcp.limits import (
    HANG_UP_SECONDS,
    MAX_BODY_BYTES,
    MAX_SESSIONS,
    MAX_SESSIONS_OF_CALLER,
    RETRY_MS,
    SESSION_IDLE_SECONDS,
)
from connected_apps_mcp.protocol.server import AnyServer
from connected_apps_tools import observing

from .events import SESSION, RecentEvents, Session

PLAIN_METHODS = {
    "ping",
    "server/discover",
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
}
"""Methods that send the client nothing but the result."""

BOTH = {b"application/json", b"text/event-stream"}
"""The media types that every client has to accept. The SDK refuses those that do not."""

SESSION_ID = MCP_SESSION_ID_HEADER.encode()

_plain: ContextVar[bool] = ContextVar("plain", default=False)
"""Whether the result of this request is sent as plain JSON."""


class _PlainOrStream:
    """The SDK's setting `json_response`, which it looks up for each request."""

    def __bool__(self) -> bool:
        return _plain.get()


class _Sessions(StreamableHTTPSessionManager):
    """The SDK's sessions, observed, with a bound for each caller with a token."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's
        super().__init__(*args, **kwargs)
        self._observed: dict[str, ExitStack] = {}

    def _admit_session(
        self, requestor: AuthorizationContext | None
    ) -> StreamableHTTPServerTransport | None:
        # Only sessions of callers with a token have an owner.
        own = sum(owner == requestor for owner in self._session_owners.values())
        if own >= MAX_SESSIONS_OF_CALLER:
            return None
        transport = super()._admit_session(requestor)
        if transport and (session_id := transport.mcp_session_id):
            self._observed[session_id] = ExitStack()
            self._observed[session_id].enter_context(observing.act("session"))
        return transport

    async def _discard_session(
        self, session_id: str, transport: StreamableHTTPServerTransport
    ) -> None:
        self._observed.pop(session_id, ExitStack()).close()
        await super()._discard_session(session_id, transport)


class StreamableHttp:
    """The endpoint of Streamable HTTP in both eras."""

    def __init__(
        self, server: AnyServer, plain_tools: Collection[str], replica: str | None = None
    ) -> None:
        """Serve clients.

        Args:
            server: the server.
            plain_tools: tools that, in a session, send the client nothing but the result, unless it
                asks for progress.
            replica: the name of this replica, before the ids of sessions.
        """
        self._prefix = f"{replica}-".encode() if replica else b""
        self._plain_tools = frozenset(plain_tools)
        self._sessions = WeakValueDictionary[bytes, Session]()
        self._manager = _Sessions(
            server,
            event_store=RecentEvents(),
            json_response=cast("bool", _PlainOrStream()),
            retry_interval=RETRY_MS,
            session_idle_timeout=SESSION_IDLE_SECONDS,
            max_request_body_size=MAX_BODY_BYTES,
            max_sessions=MAX_SESSIONS,
        )

    def run(self) -> AbstractAsyncContextManager[None]:
        """Run the sessions while it is open."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if self._prefix:
            scope, send = self._without_prefix(scope), self._with_prefix(send)
        headers = dict(reversed(scope["headers"]))  # the first of a name counts
        session = self._sessions.get(headers.get(SESSION_ID, b""))
        if session is None:
            session = Session()
            send = self._noting(session, send)
        SESSION.set(session)
        _plain.set(False)
        request = _Request(receive, session, partial(self._is_plain, headers))
        try:
            await self._manager.handle_request(scope, request.receive, send)
        except asyncio.CancelledError:
            if not (request.watch and request.watch.hung_up):
                raise
        finally:
            request.close()

    def _without_prefix(self, scope: Scope) -> Scope:
        """The request with the id that the SDK knows. An id of another replica stays unknown."""
        headers = [
            (name, value.removeprefix(self._prefix) if name == SESSION_ID else value)
            for name, value in scope["headers"]
        ]
        return {**scope, "headers": headers}

    def _with_prefix(self, send: Send) -> Send:
        async def prefixing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, self._prefix + value if name == SESSION_ID else value)
                    for name, value in message["headers"]
                ]
                message = {**message, "headers": headers}
            await send(message)

        return prefixing

    def _noting(self, session: Session, send: Send) -> Send:
        """Note the id that the SDK gives to a new session."""

        async def noting(message: Message) -> None:
            for name, value in message.get("headers", ()):
                if name == SESSION_ID:
                    self._sessions[value] = session
            await send(message)

        return noting

    def _is_plain(self, headers: Mapping[bytes, bytes], message: object) -> bool:
        accepted = headers.get(b"accept", b"").split(b",")
        if not {kind.partition(b";")[0].strip().lower() for kind in accepted} >= BOTH:
            return False
        match message:
            case {"params": {"_meta": {"progressToken": _}}}:
                return False
            case {
                "method": "tools/call",
                "params": {"_meta": {mcp_types.PROTOCOL_VERSION_META_KEY: str(version)}},
                "id": str() | int(),
            } if version in MODERN_PROTOCOL_VERSIONS and SESSION_ID not in headers:
                return True  # it asks a person by its result, and no stream can be resumed
            case {"method": "tools/call", "params": {"name": str(name)}, "id": str() | int()}:
                return name in self._plain_tools
            case {"method": str(method), "id": str() | int()}:
                return method in PLAIN_METHODS
        return False


class _Request:
    """A request that decides from its body whether it needs a stream."""

    def __init__(
        self, receive: Receive, session: Session, is_plain: Callable[[object], bool]
    ) -> None:
        self._receive = receive
        self._session = session
        self._is_plain = is_plain
        self._body = b""
        self._id = ""
        self.watch: _Watch | None = None
        """Its client, if it needs no stream: a stream sees by itself that the client is gone."""

    async def receive(self) -> Message:
        """The next piece of the body. The last one decides."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                self._decide()
        return message

    def _decide(self) -> None:
        with suppress(ValueError):  # the SDK refuses what is not JSON
            message = pydantic_core.from_json(self._body)
            if self._is_plain(message):
                _plain.set(True)
                self._id = str(message["id"])
                self._session.plain.add(self._id)
                self.watch = _Watch(self._receive)

    def close(self) -> None:
        """Forget the request."""
        if self.watch:
            self._session.plain.discard(self._id)
            self.watch.close()


class _Watch:
    """Cancels the current task when the client has gone. Most requests end before it looks."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._request = asyncio.current_task()
        self._timer = self._loop.call_later(HANG_UP_SECONDS, self._look)
        self._looking: asyncio.Task[None] | None = None
        self.hung_up = False

    def close(self) -> None:
        """End the watch."""
        self._timer.cancel()
        if self._looking:
            self._looking.cancel()

    def _look(self) -> None:
        self._looking = self._loop.create_task(self._until_hung_up())

    async def _until_hung_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.hung_up = True
        if self._request:
            self._request.cancel()
