"""Replicas behind nginx that are killed, paused, and cut off from the database."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio
from anyio.abc import ByteStream, SocketStream
from balancer import answers
from ports import free_port
from support import SERVER

BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


class Wire:
    """The way from a replica to the database. While it is cut, nothing passes."""

    def __init__(self, database_port: int) -> None:
        self.port = free_port()
        self._database_port = database_port
        self._whole = anyio.Event()
        self._whole.set()
        self._open = set[anyio.CancelScope]()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[None]:
        """Pass on connections meanwhile."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._pass_on)
            yield
            tasks.cancel_scope.cancel()

    async def cut(self, seconds: float) -> None:
        """Let nothing pass for a while. Then the connections end."""
        self._whole = anyio.Event()
        await anyio.sleep(seconds)
        for scope in self._open:
            scope.cancel()
        self._whole.set()

    async def _pass_on(self, replica: SocketStream) -> None:
        with anyio.CancelScope() as scope, suppress(*BROKEN, OSError):
            self._open.add(scope)
            try:
                async with (
                    replica,
                    await anyio.connect_tcp("127.0.0.1", self._database_port) as to,
                    anyio.create_task_group() as both,
                ):
                    both.start_soon(self._copy, replica, to, scope)
                    both.start_soon(self._copy, to, replica, scope)
            finally:
                self._open.discard(scope)

    async def _copy(self, source: ByteStream, to: ByteStream, scope: anyio.CancelScope) -> None:
        with suppress(*BROKEN):
            while True:
                data = await source.receive()
                await self._whole.wait()
                await to.send(data)
        scope.cancel()


@dataclass
class Replica:
    """A replica that is started again and again."""

    name: str
    folder: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    wire: Wire
    port: int = field(default_factory=free_port)
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it answers."""
        self.starts += 1
        words = [*SERVER, *self.arguments, "--port", str(self.port), "--replica-name", self.name]
        with (self.folder / f"{self.name}-{self.starts}.log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - it takes a moment
                words, env=os.environ | self.environment, stdin=subprocess.DEVNULL, stderr=log
            )
        while not answers(self.port):
            assert self.process.poll() is None, self.reports()
            await anyio.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process
        self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        """End it, and wait for that."""
        self.send(number)
        assert self.process
        self.process.wait(timeout=60)

    def reports(self) -> str:
        """What it has written, in all its lives."""
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"{self.name}-*.log")))

    async def suffer(self, random: Random) -> None:
        """Let one fault happen to it."""
        match random.choice(["kill", "pause", "cut"]):
            case "kill":
                self.end(signal.SIGKILL)
                await anyio.sleep(random.random())
                await self.start()
            case "pause":
                self.send(signal.SIGSTOP)
                await anyio.sleep(2 * random.random())
                self.send(signal.SIGCONT)
            case _:
                await self.wire.cut(2 * random.random())
