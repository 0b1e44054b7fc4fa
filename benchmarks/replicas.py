"""How many calls two replicas answer beside one, in turns of one run.

Both run all the time. The load goes to the one in one turn, and to both in the next. CPU is that of
the replicas: with fewer than four cores they also wait for each other, the load and the service, so
calls per CPU second say what more cores would give. With CONNECTED_APPS_MCP_DATABASE_URL the
replicas share that database.
"""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import anyio
import click

from connected_apps_mcp.commands.common import HAS_UVLOOP
from load.channels import Channel, HttpChannel, Shared
from load.loop import Loop
from load.messages import Request
from load.processes import CORES, Process, free_port, is_listening
from peers import Service, ThisServer
from speed import service

IN_FLIGHT = 16
"""Calls in flight at each replica."""

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Turn:
    """What one turn measured: calls per second, and calls per CPU second of the replicas."""

    rate: float
    per_cpu_second: float


@dataclass(frozen=True)
class Replica:
    """A replica that runs, and a way to it."""

    process: Process
    channel: Channel

    def cpu_seconds(self) -> float:
        """The CPU time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / TICKS


@asynccontextmanager
async def replica(server: ThisServer, upstream: Service, log: Path) -> AsyncIterator[Replica]:
    """A replica on a free port."""
    port = free_port()
    command = server.serving("http", upstream, port)
    process = await Process.start(command, CORES, os.environ | upstream.environment, log)
    try:
        if not await is_listening(port):
            raise click.ClickException(
                f"A replica does not start: {await anyio.Path(log).read_text()}"
            )
        yield Replica(process, HttpChannel(port, "2026"))
    finally:
        await process.stop()


async def turn(replicas: Sequence[Replica], call: Request, seconds: float) -> Turn:
    """Keep calls in flight at these replicas."""
    channel = Shared([each.channel for each in replicas])
    await channel.open()
    before, began = sum(each.cpu_seconds() for each in replicas), time.perf_counter()
    sample = await Loop(channel, call).run(IN_FLIGHT * len(replicas), seconds)
    used = sum(each.cpu_seconds() for each in replicas) - before
    if sample.lost:
        raise click.ClickException(f"{sample.lost} calls were lost.")
    return Turn(sample.rate, sample.rate * (time.perf_counter() - began) / used)


async def measure(rounds: int, seconds: float, folder: Path) -> None:
    """Take turns, and print the medians."""
    server, log = ThisServer(folder=folder), folder / "log"
    turns: dict[int, list[Turn]] = {1: [], 2: []}
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(service(0, log))
        both = [await stack.enter_async_context(replica(server, upstream, log)) for _ in turns]
        call = server.get(upstream)
        await turn(both, call, seconds)
        for _ in range(rounds):
            for size, measured in turns.items():
                measured.append(await turn(both[:size], call, seconds))
    rates = {size: median(each.rate for each in turns[size]) for size in turns}
    costs = {size: median(each.per_cpu_second for each in turns[size]) for size in turns}
    click.echo(f"cores: {len(CORES)}, rounds: {rounds}, in flight at each: {IN_FLIGHT}")
    for size in turns:
        click.echo(f"{size}: {rates[size]:,.0f} calls/s, {costs[size]:,.0f} calls/CPU s")
    click.echo(f"two to one: {rates[2] / rates[1]:.2f}, by CPU: {costs[2] / costs[1]:.2f}")


@click.command(help=__doc__)
@click.option("--rounds", default=9, show_default=True, help="Turns of each.")
@click.option("--seconds", default=2.0, show_default=True, help="Length of a turn.")
def main(*, rounds: int, seconds: float) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        options = {"use_uvloop": HAS_UVLOOP}
        anyio.run(measure, rounds, seconds, Path(name), backend_options=options)


if __name__ == "__main__":
    main()
