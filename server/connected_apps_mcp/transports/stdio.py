"""Serves one client over standard input and output.

The wire is our own because the SDK's reader blocks in a worker thread that nothing can interrupt:
a signal could not end the process before the client closes its side.
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
"""Perhaps an id that JSON-RPC forbids: the SDK would take the request for a notification."""

LAST_WORDS_SECONDS = 2.0
"""How long the client may take to read what is said when patience has ended."""

STDIN, STDOUT, STDERR = 0, 1, 2


async def serve_stdio(server: AnyServer, *, patience: float, endings: ShutdownSignals) -> None:
    """Serve until the client closes standard input, or a signal comes.

    Calls in flight then have `patience` seconds to finish; the rest is answered with an error, as
    far as the client still reads. A second signal cuts that short.
    """
    calls = _Calls(patience)
    with _Wire(calls.hurry) as wire, calls.serving:
        endings.react(wire.end, calls.give_up)
        # The SDK asks for files, and uses them as an iterator of lines and as a writer.
        async with stdio_server(cast("Any", wire), cast("Any", wire)) as (incoming, outgoing):
            told = _Outgoing(outgoing, calls)
            heard = _Incoming(incoming, told, calls)
            await server.run(heard, told, server.create_initialization_options())


class _Wire:
    """Standard input and output as lines of UTF-8.

    While it is open, whatever else writes to standard output lands on standard error, and whatever
    else reads standard input finds it empty: nothing but protocol goes over the wire.

    Its threads are daemons: a read or a write that blocks must not keep the process alive.
    """

    def __init__(self, on_end: Callable[[], object]) -> None:
        self._on_end = on_end
        self._arrived, self._chunks = anyio.create_memory_object_stream[bytes](0)
        self._leaving: SimpleQueue[tuple[bytes, anyio.Event] | None] = SimpleQueue()
        self._unread = 0
        self._news = anyio.Event()
        self._ended = False

    def __enter__(self) -> Self:
        _flush()
        self._in, self._out = os.dup(STDIN), os.dup(STDOUT)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), STDIN)
        os.dup2(STDERR, STDOUT)
        threading.Thread(target=self._drain, args=(current_token(),), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._chunks.close()
        _flush()
        os.dup2(self._in, STDIN)  # not closed, because it may have a reader still
        os.dup2(self._out, STDOUT)
        self._leaving.put(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        """The messages, until the client closes its side or `end` is called."""
        threading.Thread(target=self._pump, args=(current_token(),), daemon=True).start()
        buffered = BufferedByteReceiveStream(self._chunks)
        try:
            while True:
                line = await buffered.receive_until(b"\n", MAX_MESSAGE_BYTES)
                if line.strip():
                    yield _readable(line)
                await self._until_read()
        except anyio.IncompleteRead:
            if rest := buffered.buffer.strip():
                yield rest.decode(errors="replace")
        except anyio.DelimiterNotFound:
            logger.error("A message of more than %d bytes ended the input.", MAX_MESSAGE_BYTES)

    async def _until_read(self) -> None:
        """Wait while the client leaves too much unread, or until the input is to end."""
        while self._unread > MAX_UNREAD_BYTES and not self._ended:
            self._news = anyio.Event()
            await self._news.wait()

    def _pump(self, loop: EventLoopToken) -> None:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError):
            while chunk := self._read():
                from_thread.run(self._arrived.send, chunk, token=loop)
            from_thread.run_sync(self.end, token=loop)

    def _read(self) -> bytes:
        try:
            return os.read(self._in, 65536)
        except OSError as error:
            logger.warning("The input broke off: %s", error.strerror)
            return b""

    def end(self) -> None:
        """End the input: what has arrived is still read."""
        self._arrived.close()
        self._ended = True
        self._news.set()
        self._on_end()

    async def write(self, line: str) -> None:
        """Send a message. A client that is gone misses it, which it cannot mind."""
        data, gone = redact(line).encode(), anyio.Event()
        self._unread += len(data)
        self._leaving.put((data, gone))
        try:
            await gone.wait()
        finally:
            self._unread -= len(data)
            self._news.set()

    def _drain(self, loop: EventLoopToken) -> None:
        broken = False
        while message := self._leaving.get():
            data, gone = message
            try:
                while data and not broken:
                    data = data[os.write(self._out, data) :]
            except OSError as error:
                broken = True
                logger.warning("The client no longer reads: %s", error.strerror)
            with suppress(RuntimeError):
                from_thread.run_sync(gone.set, token=loop)
        os.close(self._out)

    async def flush(self) -> None:
        """Do nothing: `write` leaves nothing behind."""


def _readable(line: bytes) -> str:
    """A line as the SDK is to read it: nothing that is a message, where the id cannot be one."""
    text = line.decode(errors="replace")
    if ODD_ID.search(line):
        with suppress(ValueError):  # the SDK's parser: what it cannot read, the SDK refuses
            message = from_json(text)
            if isinstance(message, dict) and "id" in message and not _is_id(message["id"]):
                return "{}"
    return text


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _flush() -> None:
    if sys.stdout:  # there is none where the process was started without
        sys.stdout.flush()


class _Calls:
    """The requests of either side that wait for an answer, and how long they may."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: set[str] = set()
        self._asked: list[types.RequestId] = []
        self._changed = anyio.Event()
        self._waits = anyio.CancelScope()
        self.serving = anyio.CancelScope()
        """Ends whatever still blocks when the last words must be said."""

    @property
    def full(self) -> bool:
        """Whether as many requests wait as may."""
        return len(self._waiting) >= MAX_CALLS

    def has(self, request: types.RequestId) -> bool:
        """Whether a request with this id waits."""
        return str(request) in self._waiting

    def heard(self, message: types.JSONRPCMessage) -> None:
        """Follow what the client says."""
        match message:
            case types.JSONRPCRequest(id=request, method=method) if method not in STREAM_METHODS:
                self._waiting.add(str(request))
            case types.JSONRPCNotification(
                method="notifications/cancelled", params={"requestId": str() | int() as cancelled}
            ):
                self._settle(cancelled)
            case types.JSONRPCResponse(id=answered) | types.JSONRPCError(id=answered):
                self._asked = [asked for asked in self._asked if str(asked) != str(answered)]

    def said(self, message: types.JSONRPCMessage) -> None:
        """Follow what the server says."""
        match message:
            case types.JSONRPCRequest(id=asked):
                self._asked.append(asked)
                self._changed.set()
            case types.JSONRPCResponse(id=answered) | types.JSONRPCError(id=answered):
                self._settle(answered)

    def _settle(self, request: types.RequestId | None) -> None:
        self._waiting.discard(str(request))
        self._changed.set()

    async def rest(self) -> SessionMessage | None:
        """What is left to be heard after the end of the input, as long as calls wait.

        That is no answer to what the server asked. None once all calls are answered, or patience
        has ended.
        """
        self._waits = anyio.CancelScope(deadline=self._waits.deadline)
        with self._waits:
            while self._waiting:
                if self._asked:
                    return _error(self._asked.pop(), types.CONNECTION_CLOSED, "Connection closed")
                self._changed = anyio.Event()
                await self._changed.wait()
        return None

    def hurry(self) -> None:
        """Let patience run."""
        self._end_within(self._patience)

    def give_up(self) -> None:
        """End all patience."""
        self._end_within(0)

    def _end_within(self, seconds: float) -> None:
        deadline = min(self._waits.deadline, anyio.current_time() + seconds)
        self._waits.deadline = deadline
        self.serving.deadline = deadline + LAST_WORDS_SECONDS


def _error(request: types.RequestId | None, code: int, text: str) -> SessionMessage:
    error = types.ErrorData(code=code, message=text)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request, error=error))


def _refusal(problem: Exception) -> SessionMessage:
    """The answer to a line that is no message (JSON-RPC 2.0, section 5.1)."""
    problems = problem.errors(include_input=False) if isinstance(problem, ValidationError) else []
    if any(each["type"] == "json_invalid" for each in problems):
        return _error(None, types.PARSE_ERROR, "The line is not JSON.")
    return _error(None, types.INVALID_REQUEST, "The line is not one JSON-RPC message.")


class _Stream:
    """What the SDK's streams have in common."""

    def __init__(self, stream: Any, calls: _Calls) -> None:  # noqa: ANN401 - of either direction
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
        self._calls.said(item.message)


class _Incoming(_Stream):
    """Messages of the client. Their end is held back until every call is answered."""

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
            rest = await self._calls.rest()
            if rest is None:
                raise
            return rest
        message: SessionMessage = item
        self._calls.heard(message.message)
        return message

    def _refusal_of(self, item: SessionMessage | Exception) -> SessionMessage | None:
        """The answer to what is not passed on; None where it is."""
        if isinstance(item, Exception):
            logger.warning("A line that is no JSON-RPC message was refused.")
            return _refusal(item)
        if isinstance(item.message, types.JSONRPCRequest) and self._calls.has(item.message.id):
            logger.warning("A request was refused: its id is that of one under way.")
            # Not with the id, which would answer the one under way.
            return _error(None, types.INVALID_REQUEST, "A request with this id is under way.")
        if isinstance(item.message, types.JSONRPCRequest) and self._calls.full:
            logger.warning("A request was refused: %d are under way.", MAX_CALLS)
            text = f"Too many requests: {MAX_CALLS} are under way. Wait for an answer first."
            return _error(item.message.id, TOO_MANY_REQUESTS, text)
        return None

    receive = __anext__
