"""Standard input and output as a wire of lines."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from connected_apps_mcp.limits import MAX_MESSAGE_BYTES, MAX_UNREAD_BYTES

from .descriptors import open_input, open_output

logger = logging.getLogger(__name__)

STDIN, STDOUT, STDERR = 0, 1, 2


class Wire:
    """Lines from standard input, and to standard output.

    While it is open, only protocol goes over the wire: other output to standard output goes to
    standard error, and other readers of standard input find it empty.
    """

    def __init__(self, on_end: Callable[[], object]) -> None:
        self._on_end = on_end
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        _flush()
        self._in, self._out = os.dup(STDIN), os.dup(STDOUT)
        with Path(os.devnull).open("rb") as empty:
            os.dup2(empty.fileno(), STDIN)
        os.dup2(STDERR, STDOUT)
        self._input = open_input(self._in, self.end)
        self._output = open_output(self._out, self._changed.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._output.close()
        _flush()
        if sys.platform != "win32":  # there it would wait for the threads that use them
            os.dup2(self._in, STDIN)  # neither is closed: a thread may still use them
            os.dup2(self._out, STDOUT)

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines that are not empty, until the client closes its side or `end` is called."""
        self._input.start()
        buffered = BufferedByteReceiveStream(self._input)
        try:
            while True:
                line = await buffered.receive_until(b"\n", MAX_MESSAGE_BYTES)
                if line.strip():
                    yield line
                await self._wait_until_read()
        except anyio.IncompleteRead:
            if rest := buffered.buffer.strip():
                yield rest
        except anyio.DelimiterNotFound:
            logger.error("Stopped reading: a message is longer than %d bytes.", MAX_MESSAGE_BYTES)

    async def _wait_until_read(self) -> None:
        """Wait while the client leaves too much unread, unless the input ends."""
        while self._output.unread > MAX_UNREAD_BYTES and not self._input.ended:
            self._changed.clear()
            await self._changed.wait()

    def end(self) -> None:
        """End the input. Messages that already arrived are still read."""
        self._input.end()
        self._changed.set()
        self._on_end()

    async def write(self, line: bytes) -> None:
        """Send a line, whole even if this is cancelled. A client that is gone does not get it."""
        await self._output.write(line)

    async def flush(self) -> None:
        """Wait until the client has taken everything."""
        while self._output.unread:
            self._changed.clear()
            await self._changed.wait()


def _flush() -> None:
    if sys.stdout:  # None if the process was started without it
        sys.stdout.flush()
