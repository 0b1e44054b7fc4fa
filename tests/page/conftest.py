"""The page in a real Chromium, on made-up apps."""

import json
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from page_steps import Open, Run
from support import cannot_run

import build_page
from node_packages import NodeMissing, node_for

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOST = "page.test"
ORIGIN = f"https://{HOST}"
"""Where the tests serve the page: a secure origin. No such host is ever looked up."""
LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="session")
def npm() -> Run:
    """Runs a script of the page, with what it needs installed."""
    try:
        node_for(build_page.FOLDER)
    except NodeMissing as error:
        cannot_run(f"they need the build of the page: {error}")
    return build_page.run


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A real Chromium. It ends with the module, since Playwright has an event loop of its own."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        cannot_run("they need Playwright: pip install '.[page]'")
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
    contexts = []
    wrong: list[str] = []

    def open_tab(**options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(5_000)
        tab.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
        tab.on("dialog", lambda dialog: wrong.append(dialog.message))
        tab.on("request", lambda request: wrong.extend(_elsewhere(request.url)))
        tab.on("console", lambda said: wrong.extend(_error_in(said)))
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert not wrong


def _elsewhere(url: str) -> list[str]:
    return [] if urlsplit(url).hostname in {HOST, LOOPBACK, None} else [url]


def _error_in(said: Any) -> list[str]:
    is_error = said.type == "error" and "Failed to load resource" not in said.text
    return [said.text] if is_error else []


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
