"""Processes of servers, each on its core, and what Linux says about their memory."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER_CORE, LOAD_CORE = CORES[:1], CORES[1:2] or CORES[:1]
"""One core for the server that is measured; one for its load and for the fake service."""


def pin(pid: int, cores: Sequence[int]) -> None:
    """Let a process run on these cores only, where the system can."""
    if cores:
        os.sched_setaffinity(pid, cores)


class Process(asyncio.SubprocessProtocol):
    """A running process. `on_data` gets what it writes to standard output."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    def on_data(self, data: bytes) -> None:
        """Ignore the output, until a channel replaces this."""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Hand on what the process wrote."""
        self.on_data(data)

    def process_exited(self) -> None:
        """Note that the process has ended."""
        self._ended.set()

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        cores: Sequence[int],
        *,
        environment: Mapping[str, str],
        errors: IO[bytes] | int,
    ) -> "Process":
        """Start a command on these cores."""
        loop = asyncio.get_running_loop()
        process: Process
        transport, process = await loop.subprocess_exec(
            cls, *command, env=dict(environment), stderr=errors
        )
        process.transport = transport
        process.pid = transport.get_pid()
        pin(process.pid, cores)
        stdin: Any = transport.get_pipe_transport(0)
        process.write = stdin.write
        return process

    transport: asyncio.SubprocessTransport
    pid: int
    write: Any

    async def stop(self) -> None:
        """End the process."""
        with suppress(ProcessLookupError):
            self.transport.kill()
        await self._ended.wait()
        self.transport.close()


def free_port() -> int:
    """A loopback port that no one listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def peak_mib(pid: int) -> float | None:
    """The most memory that a process has had so far, in MiB; None where Linux is not."""
    return _memory(pid, "VmHWM")


def now_mib(pid: int) -> float | None:
    """The memory of a process, in MiB; None where Linux is not."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, field: str) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except FileNotFoundError:
        return None
    (line,) = [line for line in status.splitlines() if line.startswith(field)]
    return int(line.split()[1]) / 1024
