"""How much memory a search through all apps takes, as the number of apps grows.

The server is a process of its own, and the sandbox with the apps is another, so that the peak is
the server's alone. It is read where Linux tells it (VmHWM in /proc).
"""

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import click
from anyio.streams.text import TextReceiveStream
from mcp import Client

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from load.processes import peak_mib
from servers import SANDBOX_ENVIRONMENT, SERVER, sandbox_on

APPS = (1_000, 10_000, 100_000)


@asynccontextmanager
async def serving(url: str, folder: Path) -> AsyncIterator[tuple[Client, int]]:
    """A client of this project's server on a service, and the server's process id."""
    arguments = ["serve", "--transport", "http", "--port", "0", "--base-url", url]
    arguments += ["--secret-store", "none", "--data-dir", str(folder / "data")]
    environment = os.environ | SANDBOX_ENVIRONMENT
    command = [sys.executable, *SERVER, *arguments]
    async with await anyio.open_process(command, env=environment) as process:
        try:
            assert process.stderr
            said = await TextReceiveStream(process.stderr).receive()
            async with Client(said.split()[-1]) as client:
                yield client, process.pid
        finally:
            process.terminate()


async def measure(apps: int, folder: Path) -> dict[str, float]:
    """Search through so many apps, and find none."""
    database = folder / f"{apps}.sqlite3"
    seed(create_sandbox(database=database), Seed(generated_apps=apps))
    pages = 0

    async def count(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
        nonlocal pages
        pages += 1

    async with sandbox_on(database) as url, serving(url, folder) as (client, pid):
        await client.call_tool("search_apps", {"limit": 1})
        before = peak_mib(pid)
        arguments = {"query": "nothing-is-called-this", "max_scanned": 1_000_000}
        result = await client.call_tool("search_apps", arguments, progress_callback=count)
        assert result.structured_content
        return {
            "apps": apps,
            "scanned": result.structured_content["scanned"],
            "progress notifications": pages,
            "peak before, MiB": round(before, 1),
            "peak after, MiB": round(peak_mib(pid), 1),
        }


@click.command(help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def main(as_json: bool) -> None:  # noqa: FBT001
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [anyio.run(measure, apps, Path(folder)) for apps in APPS]
    if as_json:
        click.echo(json.dumps(rows))
        return
    click.echo("".join(f"{name:>24}" for name in rows[0]))
    for row in rows:
        click.echo("".join(f"{value:>24,}" for value in row.values()))


if __name__ == "__main__":
    main()
