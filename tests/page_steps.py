"""Steps of a person on the page, for its tests."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

Open = Callable[..., Any]
"""Opens a tab with the page."""

Run = Callable[..., str]
"""Runs a script of the page's package.json, and returns what it prints."""

PHONE = {"width": 360, "height": 740}


def open_app(tab: Any, name: str) -> Any:
    """Search an app by its name, and open it. Returns its panel."""
    tab.get_by_label("Search apps").fill(name)
    tab.get_by_role("button", name=name, exact=True).first.click()
    panel = tab.locator(".panel")
    panel.locator(".detail").wait_for()
    return panel


def show_view(tab: Any, name: str) -> None:
    """Go to a view."""
    tab.get_by_role("navigation").get_by_role("button", name=name).click()
    tab.get_by_role("heading", name=name, level=1).wait_for()


def press(place: Any, name: str) -> None:
    """Press a button."""
    place.get_by_role("button", name=name, exact=True).click()


def say_yes(tab: Any, act: str) -> None:
    """Answer a question with these words in it."""
    question = tab.get_by_role("dialog")
    assert act in question.inner_text()
    press(question, "Yes, do it")


def calls_of(tab: Any, tool: str) -> list[dict[str, Any]]:
    """The calls of a tool that the page made."""
    made: list[dict[str, Any]] = tab.evaluate("link.calls")
    return [call for call in made if call["tool"] == tool]


def framed(tab: Any, url: str) -> str:
    """Put a page into a frame of another one. Returns where the frame is then."""
    tab.evaluate(
        """(url) => new Promise((loaded) => {
            const frame = document.createElement("iframe");
            Object.assign(frame, { src: url, onload: loaded });
            document.body.append(frame);
        })""",
        url,
    )
    (frame,) = tab.main_frame.child_frames
    return str(frame.url)


@contextmanager
def tabs_of(chromium: Any, *hosts: str) -> Iterator[Open]:
    """Opens tabs. At the end, no tab may have had an error or have asked other hosts."""
    contexts = []
    wrong: list[str] = []

    def open_tab(**options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(5_000)
        tab.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
        tab.on("dialog", lambda dialog: wrong.append(dialog.message))
        tab.on("request", lambda request: wrong.extend(_elsewhere(request.url, hosts)))
        tab.on("console", lambda said: wrong.extend(_error_in(said)))
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert not wrong


def _elsewhere(url: str, hosts: Sequence[str]) -> list[str]:
    return [] if urlsplit(url).hostname in {*hosts, None} else [url]


def _error_in(said: Any) -> list[str]:
    is_error = said.type == "error" and "Failed to load resource" not in said.text
    return [said.text] if is_error else []
