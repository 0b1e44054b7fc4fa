"""Ways to a server: raw bytes over the pipes of a process, or over connections of HTTP/1.1.

A channel sends requests that are bytes already, and knows each response by its id without parsing
it: the load must cost less than what it measures.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from load.connections import Events, Exchanges, connect
from load.messages import (
    ID,
    ID_DIGITS,
    INITIALIZE,
    INITIALIZED,
    VERSIONS,
    Era,
    Request,
    new_id,
)
from load.processes import Process

TIMEOUT = 30.0
"""Seconds after which a call counts as lost."""

OnResponse = Callable[[int, bytes], None]
Send = Callable[[int], None]
"""Sends a request with this id."""


class NoResult(Exception):
    """A request has no result, for example because the server lacks the era. The text says why."""


class Channel:
    """A way to one server in one era."""

    def __init__(self, era: Era) -> None:
        self.era: Era = era
        self._on_response: OnResponse = lambda *_: None

    def listen(self, on_response: OnResponse) -> None:
        """From now on, give the id and the bytes of each response to this function."""
        self._on_response = on_response

    def sender(self, request: Request) -> Send:
        """Prepare a request."""
        raise NotImplementedError

    async def open(self) -> None:
        """Make everything ready for calls."""

    async def reserve(self, in_flight: int) -> None:
        """Get ready for this many calls in flight."""

    def release(self) -> None:
        """Release what `reserve` took."""

    def _received(self, request_id: int, body: bytes) -> None:
        self._on_response(request_id, body)


async def ask(channel: Channel, request: Request) -> None:
    """Send one request, and wait for the response.

    Raises:
        NoResult: the response is not what the request expects, or none came.
    """
    response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    channel.listen(lambda _, body: response.set_result(body))
    await channel.reserve(1)
    try:
        channel.sender(request)(new_id())
        body = await asyncio.wait_for(response, TIMEOUT)
    except TimeoutError:
        raise NoResult(f"{request.method}: no response") from None
    finally:
        channel.release()
    if request.expected not in body:
        raise NoResult(f"{request.method}: {body.decode(errors='replace')}")


class StdioChannel(Channel):
    """The standard input and output of a process."""

    def __init__(self, process: Process, era: Era) -> None:
        super().__init__(era)
        self._process = process
        self._rest = b""
        process.on_data = self._read

    def sender(self, request: Request) -> Send:
        """Prepare a line."""
        before, after = request.parts(self.era)
        write = self._process.write
        return lambda request_id: write(b"%b%d%b\n" % (before, request_id, after))

    async def open(self) -> None:
        """Make the handshake, if the era has one."""
        if self.era == "handshake":
            await ask(self, INITIALIZE)
            self._process.write(INITIALIZED + b"\n")

    def _read(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if found := ID.search(line):
                self._received(int(found[1]), line)


def _head(port: int, line: str, length: int, headers: dict[str, str]) -> bytes:
    lines = {
        "host": f"127.0.0.1:{port}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "content-length": str(length),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode()


def _post(port: int, path: str, message: tuple[bytes, bytes], headers: dict[str, str]) -> bytes:
    """The bytes of a request up to the id of its message."""
    before, after = message
    length = len(before) + ID_DIGITS + len(after)
    return _head(port, f"POST {path}", length, headers) + before


class HttpChannel(Channel):
    """Streamable HTTP: as many connections as calls in flight.

    `reserve` opens new ones: servers close connections that are idle for some seconds.
    """

    def __init__(self, port: int, era: Era) -> None:
        super().__init__(era)
        self._port = port
        self._open: list[Exchanges] = []
        self._idle: list[Exchanges] = []
        self._session: dict[str, str] = {}
        self._last_head = b""
        self._replacing: set[asyncio.Task[None]] = set()

    def sender(self, request: Request) -> Send:
        """Prepare a POST. It takes a connection that is idle."""
        message = request.parts(self.era)
        before = _post(self._port, "/mcp", message, request.headers(self.era) | self._session)
        after = message[1]

        def send(request_id: int) -> None:
            self._idle.pop().send(b"%b%d%b" % (before, request_id, after), request_id)

        return send

    async def open(self) -> None:
        """Open a session, if the era has them."""
        if self.era != "handshake":
            return
        await ask(self, INITIALIZE)
        found = re.search(rb"\r\nmcp-session-id: *([^\r]*)", self._last_head)
        self._session = {"mcp-session-id": found[1].decode()} if found else {}
        await self._exchange("POST", INITIALIZED)

    async def end(self) -> None:
        """End the session."""
        await self._exchange("DELETE", b"")

    async def _exchange(self, method: str, body: bytes) -> None:
        done = asyncio.Event()
        headers = {"mcp-protocol-version": VERSIONS[self.era]} | self._session
        self.listen(lambda *_: done.set())
        await self.reserve(1)
        self._idle.pop().send(_head(self._port, f"{method} /mcp", len(body), headers) + body)
        await asyncio.wait_for(done.wait(), TIMEOUT)
        self.release()

    async def reserve(self, in_flight: int) -> None:
        """Open this many connections."""
        for _ in range(in_flight):
            await self._connect()

    def release(self) -> None:
        """Close all connections."""
        for connection in self._open:
            connection.transport.close()
        self._open.clear()
        self._idle.clear()

    def _answered(self, connection: Exchanges, head: bytes, body: bytes) -> None:
        self._last_head = head
        if connection.transport.is_closing() or b"\r\nconnection: close" in head:
            task = asyncio.create_task(self._replace(connection, body))
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)
        else:
            self._idle.append(connection)
            self._received(connection.request_id, body)

    async def _replace(self, closed: Exchanges, body: bytes) -> None:
        """Connect again before passing on the response: the next call needs a connection."""
        await self._connect()
        self._received(closed.request_id, body)

    async def _connect(self) -> None:
        connection = await connect(self._port, Exchanges(self._answered))
        self._open.append(connection)
        self._idle.append(connection)


class SseChannel(Channel):
    """A session of the SSE transport: many calls in flight over two connections."""

    def __init__(self, port: int) -> None:
        super().__init__("handshake")
        self._port = port
        self._waiting: deque[bytes] = deque()
        """Messages that wait for the acceptance of the one before."""

    def sender(self, request: Request) -> Send:
        """Prepare a POST."""
        message = request.parts(self.era)
        before, after = _post(self._port, self._path, message, {}), message[1]
        return lambda request_id: self._send(b"%b%d%b" % (before, request_id, after))

    def _send(self, post: bytes) -> None:
        self._waiting.append(post)
        if len(self._waiting) == 1:
            self._posts.send(post)

    def _accepted(self, *_: object) -> None:
        self._waiting.popleft()
        if self._waiting:
            self._posts.send(self._waiting[0])

    async def open(self) -> None:
        """Open the stream, and make the handshake."""
        stream = await connect(self._port, Events(self._received))
        stream.transport.write(_head(self._port, "GET /sse", 0, {}))
        self._path = (await stream.path).decode()
        self._posts = await connect(self._port, Exchanges(self._accepted))
        await ask(self, INITIALIZE)
        self._send(_head(self._port, f"POST {self._path}", len(INITIALIZED), {}) + INITIALIZED)


class Shared(Channel):
    """Several channels, each with its share of the calls in flight."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        super().__init__(channels[0].era)
        self._channels = channels
        self._next: list[int] = []
        """The channel of each call that is not in flight."""

    def sender(self, request: Request) -> Send:
        """Prepare the request for each."""
        senders = [channel.sender(request) for channel in self._channels]

        def send(request_id: int) -> None:
            senders[self._next.pop()](request_id)

        return send

    async def open(self) -> None:
        """Open all."""
        for number, channel in enumerate(self._channels):
            await channel.open()
            channel.listen(partial(self._answered, number))

    async def reserve(self, in_flight: int) -> None:
        """Share the calls."""
        self._next[:] = [call % len(self._channels) for call in range(in_flight)]
        for number, channel in enumerate(self._channels):
            await channel.reserve(self._next.count(number))

    def release(self) -> None:
        """Release what each took."""
        for channel in self._channels:
            channel.release()

    def _answered(self, channel: int, request_id: int, body: bytes) -> None:
        self._next.append(channel)
        self._received(request_id, body)
