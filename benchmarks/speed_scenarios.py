"""What `speed.py` measures. Each scenario adds its figures, peer by peer in each round."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import get_args

import click
import httpx2
from mcp import Client, StdioServerParameters, types
from mcp.client import ClientRequestContext

from load.channels import Channel, HttpChannel, NoResult, Shared, SseChannel, StdioChannel, ask
from load.client_channel import ClientChannel
from load.loop import Loop, Sample
from load.messages import LIST_TOOLS, VERSIONS, Era
from load.processes import (
    LOAD_CORE,
    SERVER_CORE,
    Process,
    free_port,
    is_listening,
    now_mib,
    peak_mib,
    pin,
)
from peers import Peer, Service

ERAS: tuple[Era, ...] = get_args(Era)

SSE_SESSIONS = 4
"""A session of one client may have 200 calls in flight."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: how many turns each peer has; the medians over them count.
        seconds: the length of a turn.
        warm_up: seconds of load before the first turn, for servers that compile as they run.
        in_flight: the numbers of calls in flight.
        calls: the number of calls over which the growth of memory is measured.
        sessions: the number of sessions over which the growth of memory is measured.
    """

    rounds: int = 5
    seconds: float = 0.25
    warm_up: float = 1.0
    in_flight: tuple[int, ...] = (1, 8, 32, 128)
    calls: int = 10_000
    sessions: int = 2_000


@dataclass(frozen=True)
class Bench:
    """The servers, what they work on, and what is measured of them.

    Attributes:
        this: this server, which is also the first of the peers.
        figures: the values of each figure, by its name and the peer.
    """

    this: Peer
    peers: list[Peer]
    service: Service
    slow_service: Service
    log: Path
    effort: Effort
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, figure: str, peer: Peer, value: float) -> None:
        """Add the value of one round, if there is one."""
        if not isnan(value):
            self.figures.setdefault(figure, {}).setdefault(peer.name, []).append(value)

    async def start(
        self, peer: Peer, transport: str, service: Service | None = None, port: int = 0
    ) -> Process:
        """Start a server on its core."""
        service = service or self.service
        environment = os.environ | service.environment
        command = peer.serving(transport, service, port)
        return await Process.start(command, SERVER_CORE, environment, self.log)


@dataclass(frozen=True)
class Running:
    """A server that runs, and a way to it."""

    peer: Peer
    process: Process
    port: int
    channel: Channel


@asynccontextmanager
async def running(
    bench: Bench, peer: Peer, transport: str, era: Era, service: Service | None = None
) -> AsyncIterator[Running]:
    """A server that has shown that it reads an app.

    Raises:
        NoResult: it does not, in this era.
    """
    port = free_port()
    process = await bench.start(peer, transport, service, port)
    try:
        if transport != "stdio" and not await is_listening(port):
            raise NoResult("It does not listen.")
        channel = _channel(transport, process, port, era)
        await channel.open()
        await ask(channel, peer.get(service or bench.service))
        yield Running(peer, process, port, channel)
    finally:
        await process.stop()


@contextmanager
def _without_figures(what: str) -> Iterator[None]:
    """Go on if a server cannot do what is measured, and say so."""
    try:
        yield
    except NoResult as reason:
        click.echo(f"{what}: {reason}", err=True)


def _channel(transport: str, process: Process, port: int, era: Era) -> Channel:
    if transport == "stdio":
        return StdioChannel(process, era)
    if transport == "sse":
        return Shared([SseChannel(port) for _ in range(SSE_SESSIONS)])
    return HttpChannel(port, era)


@asynccontextmanager
async def all_running(bench: Bench, transport: str, era: Era) -> AsyncIterator[list[Running]]:
    """All servers that speak an era over a transport. The others are named."""
    async with AsyncExitStack() as stack:
        servers = []
        for peer in bench.peers:
            with _without_figures(f"{peer.name}, {transport}, {era}"):
                server = running(bench, peer, transport, era)
                servers.append(await stack.enter_async_context(server))
        yield servers


async def stdio(bench: Bench) -> None:
    """Calls over stdio, in both eras."""
    await _calls(bench, "stdio")


async def http(bench: Bench) -> None:
    """Calls over Streamable HTTP, in both eras."""
    await _calls(bench, "http")


async def _calls(bench: Bench, transport: str) -> None:
    for era in ERAS:
        async with all_running(bench, transport, era) as servers:
            for server in servers:
                warm_up = Loop(server.channel, server.peer.get(bench.service))
                await warm_up.run(32, bench.effort.warm_up)
            for _ in range(bench.effort.rounds):
                await _round(bench, f"{transport} {era}", servers)
            for server in servers:
                memory = peak_mib(server.process.pid)
                bench.add(f"{transport} {era}, peak memory, MiB", server.peer, memory)


async def _round(bench: Bench, name: str, servers: list[Running]) -> None:
    for in_flight in bench.effort.in_flight:
        for server in servers:
            get = Loop(server.channel, server.peer.get(bench.service))
            sample = await get.run(in_flight, bench.effort.seconds)
            _add_sample(bench, f"{name} get, {in_flight} in flight", server.peer, sample)
    for server in servers:
        create = Loop(server.channel, server.peer.create(bench.service))
        sample = await create.run(32, bench.effort.seconds)
        _add_sample(bench, f"{name} create, 32 in flight", server.peer, sample)


def _add_sample(bench: Bench, name: str, peer: Peer, sample: Sample) -> None:
    bench.add(f"{name}, calls/s", peer, sample.rate)
    if " 1 in flight" in name:
        bench.add(f"{name}, median µs", peer, sample.median * 1e6)
        bench.add(f"{name}, p99 µs", peer, sample.p99 * 1e6)
    if sample.lost:
        bench.add(f"{name}, calls lost", peer, sample.lost)


async def start(bench: Bench) -> None:
    """The cold start, from the spawn to the tools and to the end of the help."""
    for _ in range(bench.effort.rounds):
        for peer in bench.peers:
            with _without_figures(f"{peer.name}, cold start"):
                await _list_tools(bench, peer)
        began = time.perf_counter()
        help_command = [*bench.this.command, "--help"]
        process = await Process.start(help_command, SERVER_CORE, os.environ, bench.log)
        await process.wait()
        bench.add("--help, ms", bench.this, _milliseconds_since(began))


async def _list_tools(bench: Bench, peer: Peer) -> None:
    began = time.perf_counter()
    process = await bench.start(peer, "stdio")
    try:
        channel = StdioChannel(process, "handshake")
        await channel.open()
        await ask(channel, LIST_TOOLS)
        bench.add("cold start to tools/list, ms", peer, _milliseconds_since(began))
    finally:
        await process.stop()


def _milliseconds_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3


async def slow(bench: Bench) -> None:
    """Calls in front of a service that takes 50 ms: of servers, and of the client by itself."""
    for peer in bench.peers:
        with _without_figures(f"{peer.name}, slow service"):
            await _slow_server(bench, peer, "stdio", 128)
    await _slow_server(bench, bench.this, "sse", 512)
    pin(0, SERVER_CORE)
    for in_flight in (128, 512):
        await _slow_client(bench, in_flight)
    pin(0, LOAD_CORE)


async def _slow_server(bench: Bench, peer: Peer, transport: str, in_flight: int) -> None:
    async with running(bench, peer, transport, "handshake", bench.slow_service) as server:
        await _slow(bench, peer, server.channel, in_flight, transport)


async def _slow_client(bench: Bench, in_flight: int) -> None:
    async with ClientChannel.on(bench.slow_service) as channel:
        await _slow(bench, bench.this, channel, in_flight, "client")


async def _slow(bench: Bench, peer: Peer, channel: Channel, in_flight: int, over: str) -> None:
    get = Loop(channel, peer.get(bench.slow_service))
    await get.run(in_flight, bench.effort.seconds)
    sample = await get.run(in_flight, bench.effort.seconds * bench.effort.rounds)
    name = f"slow service, {over} get, {in_flight} in flight"
    bench.add(f"{name}, calls/s", peer, sample.rate)
    bench.add(f"{name}, p99 ms", peer, sample.p99 * 1e3)
    bench.add(f"{name}, calls lost", peer, sample.lost)


async def growth(bench: Bench) -> None:
    """How much the memory of this server grows over calls."""
    calls = bench.effort.calls
    for transport, era in (("stdio", ERAS[0]), ("http", ERAS[1])):
        async with running(bench, bench.this, transport, era) as server:
            get = Loop(server.channel, bench.this.get(bench.service))
            await get.run(32, 0, calls // 10)
            before = now_mib(server.process.pid)
            await get.run(32, 0, calls)
            grown = now_mib(server.process.pid) - before
        bench.add(f"{transport} {era}, growth over {calls:,} calls, MiB", bench.this, grown)


async def sessions(bench: Bench) -> None:
    """How much the memory of this server grows over sessions that end, or are left open."""
    async with running(bench, bench.this, "http", "handshake") as server:
        await _open_sessions(server.port, bench.effort.sessions // 10, end=True)
        for end, what in ((True, "ended sessions"), (False, "abandoned sessions")):
            before = now_mib(server.process.pid)
            opened = await _open_sessions(server.port, bench.effort.sessions, end=end)
            grown = now_mib(server.process.pid) - before
            name = f"{bench.effort.sessions:,} {what}"
            bench.add(f"{name}, growth MiB", bench.this, grown)
            bench.add(f"{name}, accepted", bench.this, opened)


async def _open_sessions(port: int, number: int, *, end: bool) -> int:
    """Try to open this many sessions; how many the server accepted."""
    opened = 0
    for _ in range(number):
        channel = HttpChannel(port, "handshake")
        with suppress(NoResult):
            await channel.open()
            opened += 1
            if end:
                await channel.end()
    return opened


async def updates(bench: Bench) -> None:
    """How many calls of the service an update takes, without and with a confirmation."""
    command, *arguments = bench.this.serving("stdio", bench.service, 0)
    parameters = StdioServerParameters(
        command=command, args=arguments, env=bench.service.environment
    )
    for era, mode in (("handshake", "legacy"), ("2026", VERSIONS["2026"])):
        async with Client(parameters, mode=mode, elicitation_callback=_agree) as client:
            for name, change in UPDATES.items():
                await _counted(bench)
                call = {"client_id": bench.service.app["client_id"], **change}
                result = await client.call_tool("update_app", call)
                assert not result.is_error, result
                figure = f"calls of the service, {name} update, {era}"
                bench.add(figure, bench.this, await _counted(bench))


UPDATES: dict[str, dict[str, object]] = {
    "unasked": {"client_description": "Shows the weather."},
    "confirmed": {"access_token_expiry_minutes": 120},
}


async def _agree(
    context: ClientRequestContext,  # noqa: ARG001 - of the SDK
    params: types.ElicitRequestParams,  # noqa: ARG001 - of the SDK
) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"confirm": True})


async def _counted(bench: Bench) -> int:
    """The number of requests that the service got since the last look."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        return int((await client.get(f"{bench.service.url}/counts")).text)


SCENARIOS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (stdio, http, start, slow, growth, sessions, updates)
}
