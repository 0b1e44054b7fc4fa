"""Timeouts for slow HTTP clients, and the events that a returning client may resume."""

import asyncio
import itertools
import secrets
from collections import OrderedDict

import anyio
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCMessage
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from connected_apps_mcp.limits import (
    BODY_SECONDS,
    HEADER_SECONDS,
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    SEND_SECONDS,
)


class HeaderTimeoutProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection when the head of a request takes too long."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Run the timer while a head arrives, and stop it while a request is served."""
        super().data_received(data)
        if self.cycle and not self.cycle.response_complete:
            self._stop_timer()
        elif self._timer is None:
            self._start_timer()

    def on_response_complete(self) -> None:
        """Start the timer if the next head has started to arrive; else keep-alive has its own."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


class RequestTimeouts:
    """Middleware: 408 for a body that takes too long, and an end to responses that are not read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within the timeouts."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = complete = False
        deadline = anyio.current_time() + BODY_SECONDS

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            with anyio.fail_after(max(0.0, deadline - anyio.current_time())):
                message = await receive()
            complete = not message.get("more_body", False)
            return message

        async def send_in_time(message: Message) -> None:
            nonlocal started
            started = True
            with anyio.fail_after(SEND_SECONDS):
                await send(message)

        try:
            await self._app(scope, receive_in_time, send_in_time)
        except TimeoutError:
            if not started and not complete:
                late = PlainTextResponse("The body of the request came too slowly.", 408)
                await late(scope, receive, send)


class RecentEvents(EventStore):
    """The latest events of all streams, so that a client can resume a broken stream.

    The SDK replays to any client that names an event id. Ids cannot be guessed.
    """

    def __init__(self) -> None:
        self._events: OrderedDict[str, tuple[str, JSONRPCMessage | None, int]] = OrderedDict()
        self._bytes = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Store an event, dropping the oldest ones if needed. Returns its id."""
        event_id = secrets.token_urlsafe(16)
        size = len(message.model_dump_json()) if message else 0
        self._events[event_id] = stream_id, message, size
        self._bytes += size
        while len(self._events) > MAX_EVENTS or self._bytes > MAX_EVENT_BYTES:
            _, (_, _, dropped) = self._events.popitem(last=False)
            self._bytes -= dropped
        return event_id

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """Send the later events of the same stream. None if the event was dropped."""
        if last_event_id not in self._events:
            return None
        stream_id = self._events[last_event_id][0]
        later = itertools.dropwhile(lambda event: event[0] != last_event_id, self._events.items())
        for event_id, (stream, message, _) in list(later)[1:]:
            if stream == stream_id and message:
                await send_callback(EventMessage(message, event_id))
        return stream_id
