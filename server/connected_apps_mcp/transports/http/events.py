"""The events of streams over HTTP, which a returning client resumes."""

import itertools
import secrets
from collections import OrderedDict
from contextvars import ContextVar
from typing import NamedTuple

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCMessage

from connected_apps_mcp.limits import MAX_EVENT_BYTES, MAX_EVENTS


class Session:
    """A session of the handshake era. The context of its server task keeps it alive."""

    def __init__(self) -> None:
        self.plain: set[str] = set()
        """The requests in flight that have no stream."""


SESSION: ContextVar[Session] = ContextVar("session")
"""The session of the current request, or of the current server task."""


class _Event(NamedTuple):
    session: Session
    stream_id: str
    message: JSONRPCMessage | None
    size: int


class RecentEvents(EventStore):
    """The latest events of all streams, so that a client can resume a broken stream.

    The SDK names streams by the ids of requests, which sessions share: a stream is one of a
    session. Ids of events cannot be guessed.
    """

    def __init__(self) -> None:
        self._events: OrderedDict[str, _Event] = OrderedDict()
        self._bytes = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Store an event, dropping the oldest ones if needed. Returns its id."""
        session = SESSION.get()
        if stream_id in session.plain:
            return ""
        event_id = secrets.token_urlsafe(16)
        size = len(message.model_dump_json()) if message else 0
        self._events[event_id] = _Event(session, stream_id, message, size)
        self._bytes += size
        while len(self._events) > MAX_EVENTS or self._bytes > MAX_EVENT_BYTES:
            _, dropped = self._events.popitem(last=False)
            self._bytes -= dropped.size
        return event_id

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """Send the later events of the same stream. None if the event was dropped."""
        last = self._events.get(last_event_id)
        if last is None or last.session is not SESSION.get():
            return None
        later = itertools.dropwhile(lambda event: event[0] != last_event_id, self._events.items())
        for event_id, event in list(later)[1:]:
            if event[:2] == last[:2] and event.message:
                await send_callback(EventMessage(event.message, event_id))
        return last.stream_id
