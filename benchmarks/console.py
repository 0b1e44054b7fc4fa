"""How fast the console shows many apps in Chromium, and whether it stutters.

It reports the time from the opening of the link to the first rows and to all rows, and the tasks of
more than 50 ms in the page, while it loads and while it scrolls. It needs the extra page, Chromium
and a system with pseudo terminals.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed

COMMAND = [sys.executable, "-P", "-m", "connected_apps_mcp", "console", "--no-open", "--sandbox"]
LINK = re.compile(rb"http://\S+#token=\S+(?=\r)")

WATCH = """
window.tasks = [];
new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(Math.round(duration));
}).observe({ type: "longtask", buffered: true });
"""

SCROLL = """
async (steps) => {
    const scroller = document.querySelector(".scroller");
    const frame = () => new Promise(requestAnimationFrame);
    for (let step = 0; step <= steps; step++) {
        scroller.scrollTop = (scroller.scrollHeight * step) / steps;
        await frame();
    }
}
"""

STEPS = 600
"""Frames of a scroll through all rows: ten seconds."""


@contextmanager
def console_on(apps: int) -> Iterator[str]:
    """The link of a console on so many apps."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "apps.db"
        seed(create_sandbox(database=database), Seed(generated_apps=apps))
        flags = ["--sandbox-db", str(database), "--data-dir", str(Path(folder) / "data")]
        terminal, side = pty.openpty()
        with subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, *flags], stdin=side, stdout=side, stderr=side
        ) as process:
            os.close(side)
            try:
                shown = b""
                while not (found := LINK.search(shown)):
                    shown += os.read(terminal, 65536)
                yield found[0].decode()
            finally:
                process.terminate()


def measure(browser: Any, link: str, apps: int) -> str:  # noqa: ANN401 - Playwright is an extra
    """What happens in a page from the opening of the link, in a sentence."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.add_init_script(WATCH)
    tab.set_default_timeout(120_000)
    started = time.monotonic()
    tab.goto(link)
    tab.locator("[data-row='0']").wait_for()
    first = time.monotonic() - started
    tab.get_by_text(f"{apps:,} apps", exact=True).wait_for()
    whole = time.monotonic() - started
    tab.wait_for_timeout(2_000)  # the review ends too
    loading = tab.evaluate("tasks.splice(0)")
    tab.evaluate(SCROLL, STEPS)
    scrolling = tab.evaluate("tasks.splice(0)")
    return (
        f"first rows after {first:.2f} s, all after {whole:.2f} s; "
        f"long tasks (ms): loading {_listed(loading)}, scrolling {_listed(scrolling)}"
    )


def _listed(tasks: list[int]) -> str:
    return ", ".join(map(str, tasks)) or "none"


@click.command()
@click.option("--apps", default=10_000, show_default=True, help="Number of apps.")
@click.option("--rounds", default=3, show_default=True, help="Number of consoles, one by one.")
def main(apps: int, rounds: int) -> None:
    """Measure the console in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for number in range(1, rounds + 1):
            with console_on(apps) as link:
                click.echo(f"{number}: {apps:,} apps: {measure(browser, link, apps)}")
        browser.close()


if __name__ == "__main__":
    main()
