"""Serves one client over standard input and output.

The wire is our own because the SDK's reader blocks in a worker thread that nothing can interrupt:
a signal could not end the process before the client closes its side.
"""

import logging
import os
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

from .app import AnyServer
from .boundary import clean
from .signals import Endings

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Length of the longest message that is read; the SDK bounds its HTTP transports alike."""

LAST_WORDS_SECONDS = 2.0
"""How long the client may take to read what is said when patience has ended."""

STDIN, STDOUT, STDERR = 0, 1, 2


async def serve_stdio(server: AnyServer, *, patience: float, endings: Endings) -> None:
    """Serve until the client closes standard input, or a signal comes.

    Calls in flight then have `patience` seconds to finish; the rest is answered with an error, as
    far as the client still reads. A second signal cuts that short.
    """
    calls = _Calls(patience)
    with _Wire(calls.hurry) as wire, calls.serving:
        endings.react(wire.end, calls.give_up)
        # The SDK asks for files, and uses them as an iterator of lines and as a writer.
        async with stdio_server(cast("Any", wire), cast("Any", wire)) as (incoming, outgoing):
            await server.run(
                _Incoming(incoming, calls),
                _Outgoing(outgoing, calls),
                server.create_initialization_options(),
            )


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
                yield line.decode(errors="replace")
        except anyio.IncompleteRead:
            if rest := buffered.buffer.strip():
                yield rest.decode(errors="replace")
        except anyio.DelimiterNotFound:
            logger.error("A message of more than %d bytes ended the input.", MAX_MESSAGE_BYTES)

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
        self._on_end()

    async def write(self, line: str) -> None:
        """Send a message. A client that is gone misses it, which it cannot mind."""
        gone = anyio.Event()
        self._leaving.put((clean(line).encode(), gone))
        await gone.wait()

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


def _flush() -> None:
    if sys.stdout:  # there is none where the process was started without
        sys.stdout.flush()


class _Calls:
    """The requests that wait for an answer, and how long they may."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: set[str] = set()
        self._answered = anyio.Event()
        self._waits = anyio.CancelScope()
        self.serving = anyio.CancelScope()
        """Ends whatever still blocks when the last words must be said."""

    def note(self, item: SessionMessage | Exception) -> None:
        """Follow a message of either direction."""
        match item:
            case SessionMessage(types.JSONRPCRequest(id=request)):
                self._waiting.add(str(request))
            case SessionMessage(
                types.JSONRPCResponse(id=answered) | types.JSONRPCError(id=answered)
            ):
                self._settle(answered)
            case SessionMessage(
                types.JSONRPCNotification(
                    method="notifications/cancelled",
                    params={"requestId": str() | int() as cancelled},
                )
            ):
                self._settle(cancelled)
            case Exception():
                logger.warning("A line that is no JSON-RPC message was passed over.")

    def _settle(self, request: types.RequestId | None) -> None:
        self._waiting.discard(str(request))
        self._answered.set()

    async def finished(self) -> None:
        """Wait until all are answered, or patience ends."""
        with self._waits:
            while self._waiting:
                self._answered = anyio.Event()
                await self._answered.wait()

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


class _Incoming(_Stream):
    """Messages of the client. Its end is held back until every call is answered."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            item: SessionMessage | Exception = await self._stream.__anext__()
        except StopAsyncIteration:
            await self._calls.finished()
            raise
        self._calls.note(item)
        return item

    receive = __anext__


class _Outgoing(_Stream):
    """Messages to the client."""

    async def send(self, item: SessionMessage) -> None:
        await self._stream.send(item)
        self._calls.note(item)
