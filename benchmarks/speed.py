"""How fast this server is beside its peers, interleaved in one run.

Each server is a process of its own on one core. The other core has the load, raw bytes over pipes
and sockets, and the service, a fake that answers at once. docs/explanation/benchmarks.md says more.
"""

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import click

from connected_apps_mcp.commands.common import HAS_UVLOOP
from connected_apps_mcp.sandbox.service.openapi import describe
from load.processes import LOAD_CORE, Process, pin
from peers import Peer, Service, available
from speed_report import medians, tables
from speed_scenarios import SCENARIOS, Bench, Effort

UPSTREAM = Path(__file__).parent / "load" / "upstream.py"

SLOW_SECONDS = 0.05
"""The delay of the slow service."""

QUICK = Effort(rounds=1, warm_up=0.3, in_flight=(1, 32), calls=1_000, sessions=200)


@asynccontextmanager
async def service(delay: float, log: Path) -> AsyncIterator[Service]:
    """The fake service, which waits `delay` seconds before each answer."""
    command = [sys.executable, str(UPSTREAM), "--delay", str(delay)]
    process = await Process.start(command, LOAD_CORE, os.environ, log)
    sender, said = anyio.create_memory_object_stream[bytes](1)
    process.on_data = sender.send_nowait
    try:
        with sender, said:
            yield Service(**json.loads(await said.receive()))
    finally:
        await process.stop()


async def measure(scenarios: list[str], effort: Effort, folder: Path, openapi: Path) -> Bench:
    """Run the scenarios, one after the other."""
    pin(0, LOAD_CORE)
    log = folder / "log"
    peers: list[Peer] = []
    for peer in available(folder, openapi):
        if isinstance(peer, Peer):
            peers.append(peer)
        else:
            click.echo(str(peer), err=True)
    async with service(0, log) as fast, service(SLOW_SECONDS, log) as slow:
        bench = Bench(peers[0], peers, fast, slow, log, effort)
        for name in scenarios:
            click.echo(f"Measuring: {name}", err=True)
            await SCENARIOS[name](bench)
    return bench


def _description() -> dict[str, Any]:
    """The part of the sandbox's description that the service publishes for a consumer project."""
    described = describe()
    kept = ("/v1/connected_apps/", "/v1/users/")
    paths = {path: here for path, here in described["paths"].items() if path.startswith(kept)}
    return {**described, "paths": paths}


@click.command(help=__doc__)
@click.option("--rounds", type=int, help=f"Turns of each peer.  [default: {Effort.rounds}]")
@click.option("--quick", is_flag=True, help="One round, and less of everything.")
@click.option(
    "--only",
    type=click.Choice(list(SCENARIOS)),
    multiple=True,
    help="Measure only this; repeatable.",
)
@click.option(
    "--openapi",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="OpenAPI description for from_openapi; by default that of the sandbox.",
)
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    *,
    rounds: int | None,
    quick: bool,
    only: tuple[str, ...],
    openapi: Path | None,
    as_json: Path | None,
) -> None:
    """Measure and print."""
    effort = QUICK if quick else Effort()
    effort = replace(effort, rounds=rounds or effort.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sandbox = folder / "openapi.json"
        sandbox.write_text(json.dumps(_description()), "utf-8")
        bench = anyio.run(
            measure,
            list(only or SCENARIOS),
            effort,
            folder,
            openapi or sandbox,
            backend_options={"use_uvloop": HAS_UVLOOP},
        )
    figures = medians(bench.figures)
    if as_json:
        content = {"medians": figures, "rounds": bench.figures}
        as_json.write_text(json.dumps(content, indent=2, ensure_ascii=False), "utf-8")
    click.echo(tables(figures, [peer.name for peer in bench.peers]))


if __name__ == "__main__":
    main()
