"""Serves one client over standard input and output.

It replaces the SDK's reader, which blocks in a thread that nothing can interrupt: no signal could
end the process before the client closes its side.
"""

import logging
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self, cast

import anyio
from anyio import from_thread
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json

from connected_apps_mcp.egress import redact
from connected_apps_mcp.limits import (
    MAX_CALLS,
    MAX_MESSAGE_BYTES,
    MAX_UNREAD_BYTES,
    STREAM_METHODS,
    TOO_MANY_REQUESTS,
)
from connected_apps_mcp.protocol.server import AnyServer

from .shutdown import ShutdownSignals

logger = logging.getLogger(__name__)

ODD_ID = re.compile(rb'"(?:i|\\u0069)(?:d|\\u0064)"\s*:\s*(?:[^\s"\d-]|-\D|-?\d+[.eE])')
"""A possible id that JSON-RPC forbids. The SDK would read such a request as a notification."""

FINAL_WRITE_SECONDS = 2.0
"""Time for the client to read the last messages after the shutdown time is over."""

STDIN, STDOUT, STDERR = 0, 1, 2


async def serve_stdio(
    server: AnyServer, *, shutdown_seconds: float, signals: ShutdownSignals
) -> None:
    """Serve until the client closes standard input or a signal comes.

    Calls in flight then have `shutdown_seconds` to finish. The rest get an error, if the client
    still reads. A second signal cuts this short.
    """
    calls = _Calls(shutdown_seconds)
    with _Wire(calls.start_shutdown) as wire, calls.serving:
        signals.react(wire.end, calls.stop_waiting)
        # The SDK wants files, but uses them only as an iterator of lines and a writer.
        async with stdio_server(cast("Any", wire), cast("Any", wire)) as (incoming, outgoing):
            output = _Outgoing(outgoing, calls)
            messages = _Incoming(incoming, output, calls)
            await server.run(messages, output, server.create_initialization_options())


class _Wire:
    """Standard input and output as lines of UTF-8.

    While it is open, only protocol goes over the wire: other output to standard output goes to
    standard error, and other readers of standard input find it empty.

    Its threads are daemons, because a blocked read or write must not keep the process alive.
    """

    def __init__(self, on_end: Callable[[], object]) -> None:
        self._on_end = on_end
        self._sender, self._chunks = anyio.create_memory_object_stream[bytes](0)
        self._outbox: SimpleQueue[tuple[bytes, anyio.Event] | None] = SimpleQueue()
        self._unread = 0
        self._unread_changed = anyio.Event()
        self._ended = False

    def __enter__(self) -> Self:
        _flush()
        self._in, self._out = os.dup(STDIN), os.dup(STDOUT)
        with Path(os.devnull).open("rb") as empty:
            os.dup2(empty.fileno(), STDIN)
        os.dup2(STDERR, STDOUT)
        threading.Thread(target=self._write_output, args=(current_token(),), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._chunks.close()
        _flush()
        os.dup2(self._in, STDIN)  # not closed: a thread may still read it
        os.dup2(self._out, STDOUT)
        self._outbox.put(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        """The messages, until the client closes its side or `end` is called."""
        threading.Thread(target=self._read_input, args=(current_token(),), daemon=True).start()
        buffered = BufferedByteReceiveStream(self._chunks)
        try:
            while True:
                line = await buffered.receive_until(b"\n", MAX_MESSAGE_BYTES)
                if line.strip():
                    yield _for_sdk(line)
                await self._wait_until_read()
        except anyio.IncompleteRead:
            if rest := buffered.buffer.strip():
                yield rest.decode(errors="replace")
        except anyio.DelimiterNotFound:
            logger.error("Stopped reading: a message is longer than %d bytes.", MAX_MESSAGE_BYTES)

    async def _wait_until_read(self) -> None:
        """Wait while the client leaves too much unread, unless the input ends."""
        while self._unread > MAX_UNREAD_BYTES and not self._ended:
            self._unread_changed = anyio.Event()
            await self._unread_changed.wait()

    def _read_input(self, loop: EventLoopToken) -> None:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError):
            while chunk := self._read():
                from_thread.run(self._sender.send, chunk, token=loop)
            from_thread.run_sync(self.end, token=loop)

    def _read(self) -> bytes:
        try:
            return os.read(self._in, 65536)
        except OSError as error:
            logger.warning("Cannot read standard input: %s", error.strerror)
            return b""

    def end(self) -> None:
        """End the input. Messages that already arrived are still read."""
        self._sender.close()
        self._ended = True
        self._unread_changed.set()
        self._on_end()

    async def write(self, line: str) -> None:
        """Send a message, redacted. A client that is gone does not get it."""
        data, written = redact(line).encode(), anyio.Event()
        self._unread += len(data)
        self._outbox.put((data, written))
        try:
            await written.wait()
        finally:
            self._unread -= len(data)
            self._unread_changed.set()

    def _write_output(self, loop: EventLoopToken) -> None:
        broken = False
        while message := self._outbox.get():
            data, written = message
            try:
                while data and not broken:
                    data = data[os.write(self._out, data) :]
            except OSError as error:
                broken = True
                logger.warning("The client no longer reads: %s", error.strerror)
            with suppress(RuntimeError):
                from_thread.run_sync(written.set, token=loop)
        os.close(self._out)

    async def flush(self) -> None:
        """Do nothing: `write` does not buffer."""


def _for_sdk(line: bytes) -> str:
    """The text of a line; for a message with a forbidden id, text that the SDK refuses."""
    text = line.decode(errors="replace")
    if ODD_ID.search(line):
        with suppress(ValueError):  # the SDK's parser, so the SDK refuses the same lines
            message = from_json(text)
            if isinstance(message, dict) and "id" in message and not _is_id(message["id"]):
                return "{}"
    return text


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _flush() -> None:
    if sys.stdout:  # None if the process was started without it
        sys.stdout.flush()


class _Calls:
    """The requests of both sides without a response, and how long they may wait."""

    def __init__(self, shutdown_seconds: float) -> None:
        self._shutdown_seconds = shutdown_seconds
        self._in_flight: set[str] = set()
        self._requests: list[types.RequestId] = []
        self._changed = anyio.Event()
        self._waiting = anyio.CancelScope()
        self.serving = anyio.CancelScope()
        """Cancelled when the time for the last messages is over."""

    @property
    def full(self) -> bool:
        """Whether no more requests are allowed in flight."""
        return len(self._in_flight) >= MAX_CALLS

    def has(self, request: types.RequestId) -> bool:
        """Whether a request with this id is in flight."""
        return str(request) in self._in_flight

    def received(self, message: types.JSONRPCMessage) -> None:
        """Note a message from the client."""
        match message:
            case types.JSONRPCRequest(id=request, method=method) if method not in STREAM_METHODS:
                self._in_flight.add(str(request))
            case types.JSONRPCNotification(
                method="notifications/cancelled", params={"requestId": str() | int() as cancelled}
            ):
                self._finish(cancelled)
            case types.JSONRPCResponse(id=answered) | types.JSONRPCError(id=answered):
                self._requests = [each for each in self._requests if str(each) != str(answered)]

    def sent(self, message: types.JSONRPCMessage) -> None:
        """Note a message from the server."""
        match message:
            case types.JSONRPCRequest(id=request):
                self._requests.append(request)
                self._changed.set()
            case types.JSONRPCResponse(id=answered) | types.JSONRPCError(id=answered):
                self._finish(answered)

    def _finish(self, request: types.RequestId | None) -> None:
        self._in_flight.discard(str(request))
        self._changed.set()

    async def after_input(self) -> SessionMessage | None:
        """The next message after the end of the input: an error for a request of ours.

        None once all calls are finished or the shutdown time is over.
        """
        self._waiting = anyio.CancelScope(deadline=self._waiting.deadline)
        with self._waiting:
            while self._in_flight:
                if self._requests:
                    return _error(
                        self._requests.pop(), types.CONNECTION_CLOSED, "Connection closed"
                    )
                self._changed = anyio.Event()
                await self._changed.wait()
        return None

    def start_shutdown(self) -> None:
        """Start the shutdown time."""
        self._end_within(self._shutdown_seconds)

    def stop_waiting(self) -> None:
        """End the shutdown time now."""
        self._end_within(0)

    def _end_within(self, seconds: float) -> None:
        deadline = min(self._waiting.deadline, anyio.current_time() + seconds)
        self._waiting.deadline = deadline
        self.serving.deadline = deadline + FINAL_WRITE_SECONDS


def _error(request: types.RequestId | None, code: int, text: str) -> SessionMessage:
    error = types.ErrorData(code=code, message=text)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request, error=error))


def _refusal(problem: Exception) -> SessionMessage:
    """The response to a line that is not a message (JSON-RPC 2.0, section 5.1)."""
    problems = problem.errors(include_input=False) if isinstance(problem, ValidationError) else []
    if any(each["type"] == "json_invalid" for each in problems):
        return _error(None, types.PARSE_ERROR, "The line is not JSON.")
    return _error(None, types.INVALID_REQUEST, "The line is not one JSON-RPC message.")


class _Stream:
    """Common parts of the two streams."""

    def __init__(self, stream: Any, calls: _Calls) -> None:  # noqa: ANN401 - either direction
        self._stream = stream
        self._calls = calls

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Outgoing(_Stream):
    """Messages to the client."""

    async def send(self, item: SessionMessage) -> None:
        await self._stream.send(item)
        self._calls.sent(item.message)


class _Incoming(_Stream):
    """Messages from the client. They end only when no call is in flight."""

    def __init__(self, stream: Any, outgoing: _Outgoing, calls: _Calls) -> None:  # noqa: ANN401
        super().__init__(stream, calls)
        self._outgoing = outgoing

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        try:
            while refusal := self._refusal_of(item := await self._stream.__anext__()):
                await self._outgoing.send(refusal)
        except StopAsyncIteration:
            error = await self._calls.after_input()
            if error is None:
                raise
            return error
        message: SessionMessage = item
        self._calls.received(message.message)
        return message

    def _refusal_of(self, item: SessionMessage | Exception) -> SessionMessage | None:
        """The error for a message that is refused; None for one that is accepted."""
        if isinstance(item, Exception):
            logger.warning("Refused a line that is not a JSON-RPC message.")
            return _refusal(item)
        if isinstance(item.message, types.JSONRPCRequest) and self._calls.has(item.message.id):
            logger.warning("Refused a request: another request with its id is in flight.")
            # Without the id, which would answer the request in flight.
            return _error(None, types.INVALID_REQUEST, "A request with this id is in flight.")
        if isinstance(item.message, types.JSONRPCRequest) and self._calls.full:
            logger.warning("Refused a request: %d are in flight.", MAX_CALLS)
            text = f"Too many requests: {MAX_CALLS} are in flight. Wait for a response first."
            return _error(item.message.id, TOO_MANY_REQUESTS, text)
        return None

    receive = __anext__
