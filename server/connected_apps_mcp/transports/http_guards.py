"""Holds HTTP callers to the limits: slow ones, ones that do not read, and ones that come back."""

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


class TimelyProtocol(H11Protocol):
    """HTTP/1.1 on one connection, which is closed where the head of a request takes too long."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request from now on."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Expect the rest of a head that has begun, and nothing while a request is answered."""
        super().data_received(data)
        if self.cycle and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._waiting is None:
            self._expect()

    def on_response_complete(self) -> None:
        """Expect the next request where its head has begun to arrive; else keep-alive ends it."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None


class Timely:
    """Ends a request with 408 where its body takes too long, and one that is not read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request in time."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = complete = False
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
            nonlocal begun
            begun = True
            with anyio.fail_after(SEND_SECONDS):
                await send(message)

        try:
            await self._app(scope, receive_in_time, send_in_time)
        except TimeoutError:
            if not begun and not complete:
                late = PlainTextResponse("The body of the request came too slowly.", 408)
                await late(scope, receive, send)


class RecentEvents(EventStore):
    """The latest events of all streams, so that a client can take up one that broke off.

    The SDK replays to whoever names an event. Ids cannot be guessed, so that is its own client.
    """

    def __init__(self) -> None:
        self._events: OrderedDict[str, tuple[str, JSONRPCMessage | None, int]] = OrderedDict()
        self._bytes = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep an event, in place of the oldest ones where there is no room; return its id."""
        event_id = secrets.token_urlsafe(16)
        size = len(message.model_dump_json()) if message else 0
        self._events[event_id] = stream_id, message, size
        self._bytes += size
        while len(self._events) > MAX_EVENTS or self._bytes > MAX_EVENT_BYTES:
            _, (_, _, gone) = self._events.popitem(last=False)
            self._bytes -= gone
        return event_id

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """Send what a stream had after an event; None where that event is kept no more."""
        if last_event_id not in self._events:
            return None
        stream_id = self._events[last_event_id][0]
        later = itertools.dropwhile(lambda event: event[0] != last_event_id, self._events.items())
        for event_id, (stream, message, _) in list(later)[1:]:
            if stream == stream_id and message:
                await send_callback(EventMessage(message, event_id))
        return stream_id
