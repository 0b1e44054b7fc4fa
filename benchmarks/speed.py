"""How fast this server is beside its peers, interleaved in one run."""

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import click

from connected_apps_mcp.sandbox.service.openapi import describe
from load.channels import NotSupported, StdioChannel, ask
from load.loop import Loop
from load.messages import Era, call_tool
from load.processes import LOAD_CORE, SERVER_CORE, Process, pin
from servers import SANDBOX_ENVIRONMENT, SERVER

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """A server: its command, and its names for the tools."""

    name: str
    command: list[str]
    get: str


def peers(url: str, folder: Path) -> list[Peer]:
    description = folder / "openapi.json"
    description.write_text(json.dumps(describe()), "utf-8")
    here = [*SERVER, "serve", "--base-url", url, "--secret-store", "none"]
    generated = [str(HERE / "peers/generated_server.py"), str(description), "stdio", "0"]
    return [
        Peer("here", [sys.executable, *here, "--data-dir", str(folder / "data")], "get_app"),
        Peer("from_openapi", [sys.executable, *generated], "get"),
        Peer(
            "low-level",
            [sys.executable, str(HERE / "peers/low_level_server.py"), "stdio", "0"],
            "get_app",
        ),
    ]


@asynccontextmanager
async def upstream(delay: float, log: Any) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The URL of the fake service, and its app."""
    command = [sys.executable, str(HERE / "load/upstream.py"), "--delay", str(delay)]
    process = await Process.start(command, LOAD_CORE, environment=os.environ, errors=log)
    started = anyio.Event()
    said = b""

    def note(data: bytes) -> None:
        nonlocal said
        said += data
        if said.endswith(b"\n"):
            started.set()

    process.on_data = note
    try:
        await started.wait()
        about = json.loads(said)
        yield f"http://127.0.0.1:{about['port']}", about["app"]
    finally:
        await process.stop()


async def measure(rounds: int, seconds: float) -> Mapping[str, Mapping[str, list[float]]]:
    pin(0, LOAD_CORE)
    figures: dict[str, dict[str, list[float]]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = stack.enter_context((folder / "log").open("wb"))
        url, app = await stack.enter_async_context(upstream(0, log))
        environment = os.environ | SANDBOX_ENVIRONMENT | {"SERVICE_URL": url}
        channels = []
        eras: list[Era] = ["handshake", "2026"]
        for era in eras:
            for peer in peers(url, folder):
                process = await Process.start(
                    peer.command, SERVER_CORE, environment=environment, errors=log
                )
                stack.push_async_callback(process.stop)
                channel = StdioChannel(process, era)
                get = call_tool(peer.get, {"client_id": app["client_id"]})
                try:
                    await channel.open()
                    result = json.dumps(await ask(channel, get))
                    assert app["client_name"] in result, result
                except NotSupported as reason:
                    click.echo(f"{peer.name}, {era}: {reason}", err=True)
                    continue
                channels.append((peer, channel, get))
        expected = app["client_id"].encode()
        for _ in range(rounds):
            for in_flight in (1, 8, 32, 128):
                for peer, channel, get in channels:
                    sample = await Loop(channel, get, expected).run(in_flight, seconds)
                    assert not sample.lost, sample.lost
                    rows = {f"{in_flight} in flight, calls/s": sample.rate}
                    if in_flight == 1:
                        rows |= {"median, µs": sample.median_us, "p99, µs": sample.p99_us}
                    for row, figure in rows.items():
                        name = f"stdio {channel.era} get, {row}"
                        figures.setdefault(name, {}).setdefault(peer.name, []).append(figure)
    return figures


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=0.5, show_default=True)
def main(rounds: int, seconds: float) -> None:
    """Measure and print."""
    options = {"use_uvloop": sys.platform != "win32"}
    figures = anyio.run(measure, rounds, seconds, backend_options=options)
    for name, row in sorted(figures.items()):
        cells = "".join(f"{peer:>14}{median(values):>8.0f}" for peer, values in row.items())
        click.echo(f"{name:<50}{cells}")


if __name__ == "__main__":
    main()
