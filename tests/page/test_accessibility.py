"""axe-core looks at each view, in each form."""

from collections.abc import Callable
from typing import Any

import pytest
from page_steps import PHONE, Open, Run, open_app, show_view

pytestmark = pytest.mark.page

FORMS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": PHONE},
}

FEW = 12
"""Apps on the page: axe looks at each element of each row."""


@pytest.fixture(scope="module")
def axe(npm: Run) -> str:
    """The script of axe-core."""
    return npm("axe")


def edit(tab: Any) -> None:
    panel = open_app(tab, "Reports")
    panel.get_by_role("button", name="Edit", exact=True).click()
    panel.get_by_label("Client name").fill("Other")
    panel.get_by_label("Redirect URLs", exact=True).fill("http://p\u0430yroll.example")


def preview(tab: Any) -> None:
    edit(tab)
    tab.get_by_role("button", name="See what it does").click()
    tab.get_by_text("This will happen").wait_for()


def question(tab: Any) -> None:
    preview(tab)
    tab.get_by_role("button", name="Change the app").click()
    tab.get_by_role("dialog").wait_for()


def secret(tab: Any) -> None:
    panel = open_app(tab, "Reports")
    panel.get_by_role("button", name="Show the next secret").click()
    tab.get_by_role("button", name="Yes, do it").click()
    panel.get_by_role("button", name="Hide the next secret").wait_for()


VIEWS: dict[str, Callable[[Any], object]] = {
    "apps": lambda tab: tab.locator("[data-row='0']").wait_for(),
    "app": lambda tab: open_app(tab, "Reports"),
    "odd app": lambda tab: open_app(tab, "P\u0430yroll"),
    "edit": edit,
    "preview": preview,
    "question": question,
    "secret": secret,
    "review": lambda tab: show_view(tab, "Review"),
    "approvals": lambda tab: show_view(tab, "Approvals"),
    "audit": lambda tab: show_view(tab, "Audit"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(open_page: Open, axe: str, view: str, form: str) -> None:
    # Only the script of the tests comes past the policy of the page.
    tab = open_page({"bypass_csp": True, **FORMS[form]}, count=FEW)
    VIEWS[view](tab)
    tab.evaluate(axe)
    found = tab.evaluate("axe.run()")
    assert [_in_brief(each) for each in found["violations"]] == []


def _in_brief(violation: dict[str, Any]) -> str:
    places = [node["html"][:200] for node in violation["nodes"]]
    return f"{violation['id']}: {violation['help']}: {places[:3]}"


def test_nothing_moves_where_less_motion_is_wanted(open_page: Open) -> None:
    tab = open_page({"reduced_motion": "reduce"}, hanging=["search_apps"])
    moving = tab.locator(".spinner").evaluate("e => getComputedStyle(e).animationName")
    assert moving == "none"


def test_what_happens_is_said_to_those_who_do_not_see_it(open_page: Open) -> None:
    tab = open_page()
    tab.get_by_label("Search apps").fill("reports")
    tab.get_by_role("status").filter(has_text="1 of 40 apps").wait_for()
