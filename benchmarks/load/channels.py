"""Ways to a server: raw bytes over the pipes of a process, or over connections of HTTP/1.1.

A channel sends requests that are bytes already, and finds the id in each response by its name,
without parsing JSON: the load must cost less than what it measures.
"""

import asyncio
import json
import re
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, cast

from load.messages import FIRST_ID, INITIALIZE, INITIALIZED, Era, Request
from load.processes import Process

ID = re.compile(rb'"id": ?(\d{7})\b')

TIMEOUT = 30.0
"""Seconds after which a call counts as lost."""


class NotSupported(Exception):
    """The server does not speak this era, or refuses the call. The text has its response."""


class Channel(Protocol):
    """A way to one server in one era."""

    era: Era
    on_response: Callable[[int, bytes], None]
    """Called with the id and the bytes of each response."""

    def prepare(self, request: Request) -> tuple[bytes, bytes]:
        """The bytes of a request before and after its id."""
        ...

    def send(self, prepared: tuple[bytes, bytes], request_id: int) -> None:
        """Send a request."""
        ...

    async def open(self) -> None:
        """Make everything ready for calls."""
        ...

    def close(self) -> None:
        """Let go of what `open` took."""
        ...


IDS = count(FIRST_ID)


async def ask(channel: Channel, request: Request) -> Any:  # noqa: ANN401 - any JSON
    """The result of one request.

    Raises:
        NotSupported: the response is an error, or none came.
    """
    response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    channel.on_response = lambda _, body: response.set_result(body)
    channel.send(channel.prepare(request), next(IDS))
    try:
        message = json.loads(await asyncio.wait_for(response, TIMEOUT))
    except TimeoutError:
        raise NotSupported(f"{request.method}: no response") from None
    if "result" not in message:
        raise NotSupported(f"{request.method}: {message}")
    return message["result"]


class StdioChannel:
    """The standard input and output of a process."""

    def __init__(self, process: Process, era: Era) -> None:
        self.era: Era = era
        self._process = process
        self._rest = b""
        process.on_data = self._receive
        self.on_response: Callable[[int, bytes], None] = lambda *_: None

    def prepare(self, request: Request) -> tuple[bytes, bytes]:
        """One line."""
        before, after = request.parts(self.era)
        return before, after + b"\n"

    def send(self, prepared: tuple[bytes, bytes], request_id: int) -> None:
        """Write the line."""
        self._process.write(b"%b%d%b" % (prepared[0], request_id, prepared[1]))

    async def open(self) -> None:
        """Shake hands, where the era does."""
        if self.era == "handshake":
            await ask(self, INITIALIZE)
            self._process.write(INITIALIZED + b"\n")

    def close(self) -> None:
        """Nothing: the process ends with its owner."""

    def _receive(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if found := ID.search(line):
                self.on_response(int(found[1]), line)


class HttpChannel:
    """Connections to one endpoint, each with one request in flight. It opens what it needs."""

    def __init__(self, port: int, era: Era) -> None:
        self.era: Era = era
        self._port = port
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []
        self._session: str | None = None
        self.on_response: Callable[[int, bytes], None] = lambda *_: None

    def prepare(self, request: Request) -> tuple[bytes, bytes]:
        """The head and the body."""
        before, after = request.parts(self.era)
        length = len(before) + len(str(FIRST_ID)) + len(after)
        return self._head("POST", request.headers(self.era), length) + before, after

    def _head(self, method: str, headers: dict[str, str], length: int) -> bytes:
        lines = {
            "host": f"127.0.0.1:{self._port}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **headers,
            **({"mcp-session-id": self._session} if self._session else {}),
            "content-length": str(length),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} /mcp HTTP/1.1\r\n{head}\r\n".encode()

    def send(self, prepared: tuple[bytes, bytes], request_id: int) -> None:
        """Send on a connection that is idle; `reserve` opens them."""
        self._idle.pop().send(b"%b%d%b" % (prepared[0], request_id, prepared[1]))

    async def open(self) -> None:
        """Connect once, and open a session where the era has them."""
        await self.reserve(1)
        if self.era == "handshake":
            connection = self._idle[-1]
            await ask(self, INITIALIZE)
            found = re.search(rb"\r\nmcp-session-id: *([^\r]*)", connection.head, re.IGNORECASE)
            self._session = found[1].decode() if found else None
            headers = {"mcp-protocol-version": "2025-11-25"}
            await self._exchange(self._head("POST", headers, len(INITIALIZED)) + INITIALIZED)

    async def reserve(self, connections: int) -> None:
        """Have so many connections."""
        loop = asyncio.get_running_loop()
        while len(self._all) < connections:
            _, connection = await loop.create_connection(
                lambda: _Connection(self._received), "127.0.0.1", self._port
            )
            self._all.append(connection)
            self._idle.append(connection)

    async def _exchange(self, data: bytes) -> None:
        connection = self._idle[-1]
        done = asyncio.Event()
        connection.on_response = lambda *_: done.set()
        connection.send(data)
        await asyncio.wait_for(done.wait(), TIMEOUT)
        connection.on_response = self._received

    def close(self) -> None:
        """Close the connections."""
        for connection in self._all:
            connection.transport.close()

    def _received(self, connection: "_Connection", body: bytes) -> None:
        self._idle.append(connection)
        found = ID.search(body)
        self.on_response(int(found[1]) if found else 0, body)


class _Connection(asyncio.Protocol):
    """A connection of HTTP/1.1 with one request in flight."""

    transport: asyncio.Transport
    head = b""

    def __init__(self, on_response: "Callable[[_Connection, bytes], None]") -> None:
        self.on_response = on_response
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the server."""
        self.transport = cast("asyncio.Transport", transport)

    def send(self, data: bytes) -> None:
        """Send a whole request."""
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Hand on the response once it is complete."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        self.head = self._received[:end].lower()
        body = _body(self.head, self._received[end + 4 :])
        if body is not None:
            self._received = b""
            self.on_response(self, body)


LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")


def _body(head: bytes, received: bytes) -> bytes | None:
    """The message in the body, or the body; None until it is complete."""
    if found := LENGTH.search(head):
        return received if len(received) >= int(found[1]) else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        return received
    if received != b"0\r\n\r\n" and not received.endswith(b"\r\n0\r\n\r\n"):
        return None
    body = _without_chunks(received)
    return body if b"\r\ncontent-type: text/event-stream" not in head else _last_event(body)


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
