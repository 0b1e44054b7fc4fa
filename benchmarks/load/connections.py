"""Connections of HTTP/1.1: one request at a time, one stream of events, or requests only."""

import asyncio
import re
from collections.abc import Callable
from typing import TypeVar, cast

from load.messages import ID


class Connection(asyncio.Protocol):
    """A connection that sends bytes, and reads nothing."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the server."""
        self.transport = cast("asyncio.Transport", transport)


C = TypeVar("C", bound=Connection)


async def connect(port: int, connection: C) -> C:
    """Connect to a loopback port."""
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: connection, "127.0.0.1", port)
    return connection


class Exchanges(Connection):
    """One request at a time. `on_response` gets each response, with its head in lower case."""

    def __init__(self, on_response: "Callable[[Exchanges, bytes, bytes], None]") -> None:
        self._on_response = on_response
        self._received = b""
        self._waits = False
        self.request_id = 0

    def send(self, data: bytes, request_id: int = 0) -> None:
        """Send a whole request."""
        self.request_id, self._waits = request_id, True
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Pass on the response once it is complete."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end].lower()
        body = _body(head, self._received[end + 4 :])
        if body is not None:
            self._received, self._waits = b"", False
            self._on_response(self, head, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - of asyncio
        """Pass on an empty response, if a request still waits for one."""
        if self._waits:
            self._waits = False
            self._on_response(self, b"", b"")


LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")


def _body(head: bytes, received: bytes) -> bytes | None:
    """The body, or the last message of a stream of events; None until it is complete."""
    if found := LENGTH.search(head):
        return received if len(received) >= int(found[1]) else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        return received
    if received != b"0\r\n\r\n" and not received.endswith(b"\r\n0\r\n\r\n"):
        return None
    body = _without_chunks(received)
    return _last_event(body) if b"\r\ncontent-type: text/event-stream" in head else body


def _without_chunks(received: bytes) -> bytes:
    parts = []
    while received:
        size, _, received = received.partition(b"\r\n")
        parts.append(received[: int(size, 16)])
        received = received[int(size, 16) + 2 :]
    return b"".join(parts)


def _last_event(body: bytes) -> bytes:
    events = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    return events[-1] if events else b""


class Events(Connection):
    """A stream of the SSE transport: the path for messages first, and then each response."""

    def __init__(self, on_response: Callable[[int, bytes], None]) -> None:
        self._on_response = on_response
        self._rest = b""
        self.path: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Pass on the data of each event. The server sends an event as one chunk."""
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if not line.startswith(b"data: "):
                continue
            if not self.path.done():
                self.path.set_result(line[6:])
            elif found := ID.search(line):
                self._on_response(int(found[1]), line[6:])
