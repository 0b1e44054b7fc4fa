"""How much a caller at its limit slows down another caller within it, in one run.

Both call a server in front of a sandbox that answers after 50 ms and issues the tokens. The first
has 16 calls in flight all the time: it waits after a refusal as it is asked to, or it does not. The
second makes one call after the other, below its limit. Rounds alone and rounds beside the
first take turns. Each is a process of its own: with fewer than four cores they also wait for each
other.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
import anyio
import click
from anyio import to_process
from anyio.streams.text import TextReceiveStream

from connected_apps_mcp.commands.demos.person import Person
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.credentials import Environment
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.examples import example
from connected_apps_tools.scopes import Scope
from load.messages import Request
from servers import SANDBOX_ENVIRONMENT, SERVER, sandbox_on

READ = Request("tools/call", {"name": "search_apps", "arguments": {}}, "search_apps")
IN_FLIGHT = 16
ALONE = "alone"
WAITS = "beside one that waits"
BESIDE = (WAITS, "beside one that does not")
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@asynccontextmanager
async def serving(service: str, folder: Path, per_minute: int) -> AsyncIterator[str]:
    """The URL of a server that lets each caller read so often."""
    arguments = ["serve", "--secret-store", "none", "--data-dir", str(folder / "data")]
    arguments += ["--transport", "http", "--port", "0", "--base-url", service]
    arguments += ["--auth", "issuer", "--auth-issuer", service, "--rate-reads", str(per_minute)]
    command, environment = [sys.executable, *SERVER, *arguments], os.environ | SANDBOX_ENVIRONMENT
    async with await anyio.open_process(command, env=environment) as process:
        try:
            assert process.stderr
            yield (await TextReceiveStream(process.stderr).receive()).split()[-1]
        finally:
            process.terminate()


async def token_of(client_name: str, url: str) -> str:
    """The access token of a client of this name."""
    person = Person(client_name=client_name)
    async with person.client(url):
        pass
    assert person.memory.tokens
    return person.memory.tokens.access_token


class Caller:
    """Makes calls, over connections that stay open."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        before, after = READ.parts("2026")
        self._body = before + b"1" + after
        self._headers = HEADERS | READ.headers("2026") | {"authorization": f"Bearer {token}"}
        self._http = http
        self._url = url

    async def call(self) -> Mapping[str, Any]:
        """Make a call; the error, if it is refused."""
        async with self._http.post(self._url, data=self._body, headers=self._headers) as response:
            result = (await response.json())["result"]
        refused: dict[str, Any] = (
            json.loads(result["content"][0]["text"]) if result["isError"] else {}
        )
        return refused


def overload(url: str, token: str, seconds: float, when_refused: str) -> Mapping[str, int]:
    """Make calls for so long, in this process; how many were made and refused."""
    return anyio.run(_overload, url, token, seconds, when_refused)


async def _overload(url: str, token: str, seconds: float, when_refused: str) -> Mapping[str, int]:
    counts = {"made": 0, "refused": 0}
    until = time.monotonic() + seconds

    async def work(caller: Caller) -> None:
        while time.monotonic() < until:
            refused = await caller.call()
            counts["refused" if refused else "made"] += 1
            if refused and when_refused == WAITS:
                await anyio.sleep(refused["retry_after"])

    async with aiohttp.ClientSession() as http, anyio.create_task_group() as tasks:
        for _ in range(IN_FLIGHT):
            tasks.start_soon(work, Caller(http, url, token))
    return counts


async def latencies(caller: Caller, seconds: float, pause: float) -> list[float]:
    """Make calls for so long, with pauses; the milliseconds that each took."""
    until, took = time.monotonic() + seconds, []
    while time.monotonic() < until:
        began = time.perf_counter()
        refused = await caller.call()
        took.append((time.perf_counter() - began) * 1000)
        assert not refused, refused
        await anyio.sleep(pause)
    return took


async def measure(folder: Path, rounds: int, seconds: float, per_minute: int) -> dict[str, Any]:
    """The latencies of the second caller by what the first does, and what became of its calls."""
    took: dict[str, list[float]] = {name: [] for name in (ALONE, *BESIDE)}
    calls: dict[str, list[Mapping[str, int]]] = {name: [] for name in BESIDE}
    database = folder / "apps.sqlite3"
    seed(create_sandbox(database=database), example("consumer", Environment.TEST))
    scopes = [part for scope in Scope for part in ("--scope", scope)]
    async with AsyncExitStack() as stack:
        sandbox = sandbox_on(database, "--latency", "0.05", *scopes)
        service = await stack.enter_async_context(sandbox)
        url = await stack.enter_async_context(serving(service, folder, per_minute))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        first, second = await token_of("first", url), await token_of("second", url)
        caller, pause = Caller(http, url, second), 60 / per_minute

        async def first_calls(name: str) -> None:
            calls[name].append(await to_process.run_sync(overload, url, first, seconds + 1, name))

        # To warm up the server, and the process of the first caller.
        await latencies(caller, 1, pause)
        await to_process.run_sync(overload, url, first, 1, WAITS)
        for name in [ALONE, *BESIDE] * rounds:
            async with anyio.create_task_group() as tasks:
                if name in BESIDE:
                    tasks.start_soon(first_calls, name)
                    await anyio.sleep(1)  # for the burst to be used up
                took[name] += await latencies(caller, seconds, pause)
    return {"took": took, "calls": calls}


def report(measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each thing that the first caller does."""
    p99: Callable[[str], float] = lambda name: quantiles(measured["took"][name], n=100)[98]  # noqa: E731
    return [
        {
            "the second caller": name,
            "calls": len(took),
            "p99, ms": round(p99(name), 2),
            "ratio": round(p99(name) / p99(ALONE), 2),
            "the first made": sum(each["made"] for each in measured["calls"].get(name, ())),
            "and was refused": sum(each["refused"] for each in measured["calls"].get(name, ())),
        }
        for name, took in measured["took"].items()
    ]


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, help="Rounds of each kind.")
@click.option("--seconds", default=10.0, show_default=True, help="Seconds of a round.")
@click.option("--rate", default=600, show_default=True, help="Reads a minute of each caller.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def main(rounds: int, seconds: float, rate: int, as_json: bool) -> None:  # noqa: FBT001
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        rows = report(anyio.run(measure, Path(folder), rounds, seconds, rate))
    if as_json:
        click.echo(json.dumps(rows))
        return
    click.echo("".join(f"{name:>26}" for name in rows[0]))
    for row in rows:
        click.echo("".join(f"{value:>26}" for value in row.values()))


if __name__ == "__main__":
    main()
