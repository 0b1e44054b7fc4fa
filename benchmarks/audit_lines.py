"""How long a line of the audit log takes, and how many lines are written in a second.

Each line is synced three times, so the disk decides: on a folder in memory (/dev/shm) the figures
show the cost of the code alone.
"""

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import click

from connected_apps_mcp.audit import Ledger

INTENT: dict[str, Any] = {
    "event": "intent",
    "entry": "1655ca437f937220",
    "tool": "delete_app",
    "arguments": {"client_id": "connected-app-test-1"},
}
OUTCOME: dict[str, Any] = {
    "event": "outcome",
    "entry": "1655ca437f937220",
    "tool": "delete_app",
    "ok": True,
}


def measure(folder: Path, calls: int) -> list[float]:
    """Write the two lines of so many calls; the seconds of each line."""
    ledger = Ledger(folder / "audit", within=folder)
    ledger.append(INTENT)  # makes the key, the first file and the reserve
    took = []
    for record in [OUTCOME, INTENT] * calls:
        began = time.perf_counter()
        ledger.append(record)
        took.append(time.perf_counter() - began)
    return took


@click.command(help=__doc__)
@click.option("--calls", default=500, show_default=True, help="Calls, of two lines each.")
@click.option("--within", type=click.Path(path_type=Path), help="Folder on the disk to measure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def main(calls: int, within: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=within) as folder:
        seconds = median(measure(Path(folder), calls))
    figures = {"ms per line (median)": round(seconds * 1000, 3), "lines/s": round(1 / seconds)}
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        click.echo(f"{name:<22}{value:>10,}")


if __name__ == "__main__":
    main()
