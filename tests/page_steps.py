"""Steps of a person on the page, for its tests."""

from collections.abc import Callable
from typing import Any

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


def calls_of(tab: Any, tool: str) -> list[dict[str, Any]]:
    """The calls of a tool that the page made."""
    made: list[dict[str, Any]] = tab.evaluate("link.calls")
    return [call for call in made if call["tool"] == tool]
