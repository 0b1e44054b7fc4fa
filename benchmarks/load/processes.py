"""Processes of servers, each on its core, and what Linux says about their memory."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import nan
from pathlib import Path
from typing import cast

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER_CORE, LOAD_CORE = CORES[:1], CORES[-1:]
"""One core for the server that is measured, one for its load and for the service."""


def pin(pid: int, cores: Sequence[int]) -> None:
    """Let a process run on these cores only, where the system can."""
    if cores:
        os.sched_setaffinity(pid, cores)


class Process(asyncio.SubprocessProtocol):
    """A running process."""

    _transport: asyncio.SubprocessTransport

    def __init__(self) -> None:
        self._ended = asyncio.Event()
        self.on_data: Callable[[bytes], object] = lambda _: None
        """Gets what the process writes to standard output."""

    @classmethod
    async def start(
        cls, command: Sequence[str], cores: Sequence[int], environment: Mapping[str, str], log: Path
    ) -> "Process":
        """Start a command on these cores; the log gets its standard error."""
        with log.open("ab") as errors:
            _, process = await asyncio.get_running_loop().subprocess_exec(
                cls, *command, env=dict(environment), stderr=errors
            )
        pin(process.pid, cores)
        return process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the handle of the process, which has started."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()
        self._input = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - of asyncio
        """Pass on what the process wrote."""
        self.on_data(data)

    def process_exited(self) -> None:
        """Note that the process has ended."""
        self._ended.set()

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        self._input.write(data)

    async def wait(self) -> None:
        """Wait until it ends by itself."""
        await self._ended.wait()

    async def stop(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self._transport.kill()
        await self._ended.wait()
        self._transport.close()


def free_port() -> int:
    """A free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def is_listening(port: int, within: float = 30) -> bool:
    """Wait until something listens, at most this many seconds; whether it does."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return True
    return False


def peak_mib(pid: int) -> float:
    """The most memory that a process has had so far, in MiB; not a number outside Linux."""
    return _memory(pid, "VmHWM")


def now_mib(pid: int) -> float:
    """The memory that a process has, in MiB; not a number outside Linux."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return nan
    (line,) = [line for line in status.read_text("utf-8").splitlines() if line.startswith(field)]
    return int(line.split()[1]) / 1024
