"""Reads and writes descriptors while the event loop goes on.

The loop itself reads and writes sockets, and on Linux pipes and terminals. Threads do so for the
rest: files, devices, pipes and terminals on macOS and BSD, and everything on Windows. They are
daemons, because a blocked read or write must not keep the process alive.

No descriptor becomes non-blocking: everyone who shares a pipe, a socket or a terminal shares that
flag, and a process that is killed could not restore it.
"""

import asyncio
import logging
import os
import selectors
import socket
import stat
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import anyio
from anyio import from_thread
from anyio.abc import ObjectReceiveStream
from anyio.lowlevel import EventLoopToken, current_token

logger = logging.getLogger(__name__)

CHUNK_BYTES = 65_536


def open_input(descriptor: int, on_end: Callable[[], object]) -> "Input":
    """The input from a descriptor. It calls `on_end` when there is no more to read."""
    try:
        return _PolledInput(_without_waiting(descriptor, os.O_RDONLY), on_end)
    except OSError:
        return _ThreadInput(descriptor, on_end)


def open_output(descriptor: int, on_written: Callable[[], object]) -> "Output":
    """The output to a descriptor. It calls `on_written` when less is unread than before."""
    try:
        return _PolledOutput(_without_waiting(descriptor, os.O_WRONLY), on_written)
    except OSError:
        return _ThreadOutput(descriptor, on_written)


class Input(ObjectReceiveStream[bytes]):
    """Bytes in chunks. It reads only a little ahead of `receive`."""

    def __init__(self, on_end: Callable[[], object]) -> None:
        self._on_end = on_end
        self._sender, self._chunks = anyio.create_memory_object_stream[bytes](1)
        self.ended = False

    @abstractmethod
    def start(self) -> None:
        """Start to read."""

    async def receive(self) -> bytes:
        """The next chunk."""
        return await self._chunks.receive()

    def end(self) -> None:
        """Read no more. Chunks that were read are still received."""
        self.ended = True
        self._sender.close()

    def _finish(self) -> None:
        """End, because there is no more to read."""
        self.end()
        self._on_end()

    def close(self) -> None:
        """Drop the chunks that were not received."""
        self.end()
        self._chunks.close()

    async def aclose(self) -> None:
        """Do the same, as a stream of anyio."""
        self.close()


class Output(ABC):
    """Messages in order, each one whole. A client that is gone does not get them."""

    def __init__(self, on_written: Callable[[], object]) -> None:
        self._on_written = on_written
        self._gone = False
        self.unread = 0
        """Bytes that the client has not taken yet."""

    async def write(self, message: bytes) -> None:
        """Write a message. It is written even if this is cancelled."""
        written = asyncio.Event()
        self.unread += len(message)
        self._put(message, written)
        await written.wait()

    @abstractmethod
    def _put(self, message: bytes, written: asyncio.Event) -> None:
        """Write a message after those before it, and then set the event."""

    def _took(self, size: int) -> None:
        self.unread -= size
        self._on_written()

    def _lose(self, error: OSError) -> None:
        self._gone = True
        logger.warning("The client no longer reads: %s", error.strerror)

    @abstractmethod
    def close(self) -> None:
        """Drop the messages that are not written."""


@dataclass(frozen=True)
class _WithoutWaiting:
    """Reads and writes that raise `BlockingIOError` where they would have to wait."""

    descriptor: int
    read: Callable[[int], bytes]
    write: Callable[[memoryview], int]
    close: Callable[[], object]


def _without_waiting(descriptor: int, mode: int) -> _WithoutWaiting:
    """Reads and writes of a descriptor that do not wait.

    Raises:
        OSError: the descriptor has none.
    """
    kind = os.fstat(descriptor).st_mode
    if sys.platform == "win32":
        raise OSError
    if stat.S_ISSOCK(kind):
        peer = socket.socket(fileno=os.dup(descriptor))
        return _WithoutWaiting(
            peer.fileno(),
            lambda size: peer.recv(size, socket.MSG_DONTWAIT),
            lambda data: peer.send(data, socket.MSG_DONTWAIT),
            peer.close,
        )
    if not stat.S_ISFIFO(kind) and not os.isatty(descriptor):
        raise OSError
    if os.get_blocking(descriptor):
        # Opened again, it has a flag of its own on Linux. On macOS and BSD it does not.
        own = os.open(f"/dev/fd/{descriptor}", mode | os.O_NONBLOCK | os.O_NOCTTY)
    else:
        own = os.dup(descriptor)
    if os.get_blocking(own):
        os.close(own)
        raise OSError
    return _WithoutWaiting(
        own,
        lambda size: os.read(own, size),
        lambda data: os.write(own, data),
        lambda: os.close(own),
    )


class _Watch:
    """Calls a function whenever a descriptor is ready.

    uvloop makes the descriptors that it watches non-blocking. So it watches only a selector, and
    the selector watches the descriptor.
    """

    def __init__(self, descriptor: int, event: int, react: Callable[[], object]) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(descriptor, event)
        self._watched = _descriptor_of(self._selector)
        self._loop = asyncio.get_running_loop()
        self._react = react
        self._on = False

    def start(self) -> None:
        if not self._on:
            self._loop.add_reader(self._watched, self._react)
            self._on = True

    def stop(self) -> None:
        if self._on:
            self._loop.remove_reader(self._watched)
            self._on = False

    def close(self) -> None:
        self.stop()
        self._selector.close()


def _descriptor_of(selector: selectors.DefaultSelector) -> int:
    if sys.platform == "win32":  # nothing is watched there
        raise NotImplementedError
    return selector.fileno()


class _PolledInput(Input):
    def __init__(self, source: _WithoutWaiting, on_end: Callable[[], object]) -> None:
        super().__init__(on_end)
        self._source = source
        self._watch = _Watch(source.descriptor, selectors.EVENT_READ, self._read)

    def start(self) -> None:
        self._watch.start()

    async def receive(self) -> bytes:
        chunk = await super().receive()
        if not self.ended:
            self._watch.start()
        return chunk

    def _read(self) -> None:
        try:
            chunk = self._source.read(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            chunk = _unreadable(error)
        if not chunk:
            self._finish()
            return
        self._sender.send_nowait(chunk)
        if self._sender.statistics().current_buffer_used:
            self._watch.stop()

    def end(self) -> None:
        super().end()
        self._watch.stop()

    def close(self) -> None:
        super().close()
        self._watch.close()
        self._source.close()


class _ThreadInput(Input):
    def __init__(self, descriptor: int, on_end: Callable[[], object]) -> None:
        super().__init__(on_end)
        self._descriptor = descriptor

    def start(self) -> None:
        _start_thread(self._read, current_token())

    def _read(self, loop: EventLoopToken) -> None:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError):
            while chunk := self._read_chunk():
                from_thread.run(self._sender.send, chunk, token=loop)
            from_thread.run_sync(self._finish, token=loop)

    def _read_chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, CHUNK_BYTES)
        except OSError as error:
            return _unreadable(error)


class _PolledOutput(Output):
    def __init__(self, sink: _WithoutWaiting, on_written: Callable[[], object]) -> None:
        super().__init__(on_written)
        self._sink = sink
        self._watch = _Watch(sink.descriptor, selectors.EVENT_WRITE, self._write)
        self._queue: deque[tuple[memoryview, asyncio.Event]] = deque()

    def _put(self, message: bytes, written: asyncio.Event) -> None:
        self._queue.append((memoryview(message), written))
        if len(self._queue) == 1:
            self._write()

    def _write(self) -> None:
        """Write what the client takes now. The loop calls this again when it takes more."""
        while self._queue and (size := self._take(self._queue[0][0])):
            data, written = self._queue.popleft()
            if size < len(data):
                self._queue.appendleft((data[size:], written))
            else:
                written.set()
            self._took(size)
        if self._queue:
            self._watch.start()
        else:
            self._watch.stop()

    def _take(self, data: memoryview) -> int:
        """How much of it the client takes now."""
        try:
            return len(data) if self._gone else self._sink.write(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(error)
            return len(data)

    def close(self) -> None:
        self._watch.close()
        self._sink.close()


class _ThreadOutput(Output):
    def __init__(self, descriptor: int, on_written: Callable[[], object]) -> None:
        super().__init__(on_written)
        self._descriptor = descriptor
        self._queue: SimpleQueue[tuple[bytes, Callable[[], object]] | None] = SimpleQueue()
        _start_thread(self._write)

    def _put(self, message: bytes, written: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def done() -> None:
            self._took(len(message))
            written.set()

        self._queue.put((message, partial(loop.call_soon_threadsafe, done)))

    def _write(self) -> None:
        while message := self._queue.get():
            data, report = message
            try:
                while data and not self._gone:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                self._lose(error)
            with suppress(RuntimeError):  # the loop is closed
                report()

    def close(self) -> None:
        self._queue.put(None)


def _unreadable(error: OSError) -> bytes:
    logger.warning("Cannot read standard input: %s", error.strerror)
    return b""


def _start_thread(function: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=function, args=arguments, daemon=True).start()
