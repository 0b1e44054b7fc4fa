"""The page in a real Chromium, on made-up apps."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from consoles import Page, console_at_terminal, fill, flags_for
from page_steps import Open, Run, tabs_of
from server.terminal import Terminal
from starlette.requests import Request
from starlette.responses import HTMLResponse
from support import cannot_run, node_in, serving

import build_page
from connected_apps_mcp.sandbox.seeds.seed import Seed

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOST = "page.test"
ORIGIN = f"https://{HOST}"
"""Where the tests serve the page: a secure origin. No such host is ever looked up."""
LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="session")
def npm() -> Run:
    """Runs a script of the page, with what it needs installed."""
    node_in(build_page.FOLDER, "the build of the page")
    return build_page.run


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A real Chromium. It ends with the module, since Playwright has an event loop of its own."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        cannot_run("they need Playwright: `make test-page` installs it.")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        cannot_run("they need Chromium. On Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sample(npm: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page on made-up apps, as HTML."""
    target = tmp_path_factory.mktemp("page") / "sample.html"
    npm("build", "--sample", str(target))
    return target.read_text("utf-8")


@pytest.fixture
def new_tab(chromium: Any) -> Iterator[Open]:
    """Opens a tab. At the end, no tab may have had an error or have asked another origin."""
    with tabs_of(chromium, HOST, LOOPBACK) as open_tab:
        yield open_tab


@pytest.fixture
def open_page(new_tab: Open, sample: str) -> Open:
    """Opens the page on made-up apps: `open_page(count=10_000)`, or with apps of a test's own."""

    def open_sample(tab_options: dict[str, Any] | None = None, **given: Any) -> Any:
        tab = new_tab(**(tab_options or {}))
        tab.route("**/*", lambda route: route.fulfill(body=sample, content_type="text/html"))
        tab.add_init_script(f"window.sample = {json.dumps(given)}")
        tab.goto(ORIGIN)
        tab.get_by_role("main").wait_for()
        return tab

    return open_sample


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[Page, Terminal]]:
    """The real console, which nobody has entered yet, and its terminal."""
    fill(tmp_path, Seed(example=True))
    with console_at_terminal(*flags_for(tmp_path)) as started:
        yield started


@pytest.fixture
def console(started: tuple[Page, Terminal]) -> Page:
    """The real console."""
    return started[0]


@pytest.fixture
def local_tab(chromium: Any) -> Iterator[Open]:
    """Opens tabs that ask nothing but this machine."""
    with tabs_of(chromium, LOOPBACK) as open_tab:
        yield open_tab


@pytest.fixture
def tab(console: Page, local_tab: Open) -> Any:
    """A tab in which the person has opened the link. It closes first: the console need not wait."""
    opened = local_tab(permissions=["clipboard-read", "clipboard-write"])
    opened.goto(console.link)
    opened.get_by_role("button", name="Calendar Sync").wait_for()
    return opened


class Site:
    """A site of somebody else, on another port of this machine.

    Attributes:
        cookies: those of each request that it gets.
    """

    def __init__(self) -> None:
        self.cookies: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.cookies.append(Request(scope).headers.get("cookie", ""))
        await HTMLResponse("<!doctype html><title>Stranger</title>")(scope, receive, send)


@pytest.fixture
def stranger(tab: Any) -> Iterator[tuple[Any, Site]]:
    """A tab with a page of another origin, in the browser of the person, and its site."""
    site = Site()
    with serving(site) as url:
        other = tab.context.new_page()
        other.goto(url)
        yield other, site
        other.close()
