from typing import Any

import pytest
from page_steps import Open, open_app

pytestmark = pytest.mark.page

INSECURE = "http://page.test"
"""Browsers give the clipboard to secure origins alone."""
SECRET = "secret-canary-of-the-page-wxyz"


def ask_for(panel: Any, button: str) -> None:
    """Press a button of the current secret, and confirm."""
    panel.get_by_role("button", name=f"{button} the current secret").click()
    panel.page.get_by_role("dialog").get_by_role("button", name="Yes, do it").click()


def test_a_secret_is_masked_until_a_press_and_a_confirmation(open_page: Open) -> None:
    tab = open_page(secret=SECRET)
    panel = open_app(tab, "Reports")
    assert SECRET not in tab.content()
    panel.get_by_role("button", name="Show the current secret").click()
    question = tab.get_by_role("dialog")
    assert "Show a client secret of this app in the page?" in question.inner_text()
    assert SECRET not in tab.content()
    question.get_by_role("button", name="Yes, do it").click()
    panel.get_by_text(SECRET).wait_for()


def test_the_focus_stays_on_the_button_that_shows_a_secret(open_page: Open) -> None:
    panel = open_app(open_page(secret=SECRET), "Reports")
    ask_for(panel, "Show")
    hide = panel.get_by_role("button", name="Hide the current secret")
    assert hide.evaluate("e => e === document.activeElement")


def test_a_secret_hides_itself_after_thirty_seconds(open_page: Open) -> None:
    tab = open_page(secret=SECRET)
    tab.clock.install()
    panel = open_app(tab, "Reports")
    ask_for(panel, "Show")
    panel.get_by_text(SECRET).wait_for()
    tab.clock.run_for(29_000)
    assert SECRET in tab.content()
    tab.clock.run_for(2_000)
    panel.get_by_text(SECRET).wait_for(state="detached")
    assert SECRET not in tab.content()


def test_a_press_hides_a_secret_at_once(open_page: Open) -> None:
    tab = open_page(secret=SECRET)
    panel = open_app(tab, "Reports")
    ask_for(panel, "Show")
    panel.get_by_role("button", name="Hide the current secret").click()
    assert SECRET not in tab.content()


def test_a_secret_hides_when_its_app_is_closed(open_page: Open) -> None:
    tab = open_page(secret=SECRET)
    panel = open_app(tab, "Reports")
    ask_for(panel, "Show")
    panel.get_by_text(SECRET).wait_for()
    tab.get_by_role("button", name="Close").click()
    assert SECRET not in tab.content()


def test_a_copied_secret_is_never_in_the_document_and_leaves_the_clipboard(
    open_page: Open,
) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    tab = open_page({"permissions": permissions}, secret=SECRET)
    tab.clock.install()
    panel = open_app(tab, "Reports")
    ask_for(panel, "Copy")
    tab.get_by_text("Copied. The clipboard is cleared in 30 seconds.").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()") == SECRET
    assert SECRET not in tab.content()
    tab.clock.run_for(31_000)
    tab.get_by_text("The clipboard is cleared.").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()") == ""


def test_where_the_page_may_not_copy_it_says_so(open_page: Open) -> None:
    tab = open_page(secret=SECRET)
    tab.goto(INSECURE)
    panel = open_app(tab, "Reports")
    ask_for(panel, "Copy")
    tab.get_by_text("This place does not let the page copy.").wait_for()
    assert SECRET not in tab.content()


def test_a_secret_that_is_not_stored_is_said_to_be_so(open_page: Open) -> None:
    panel = open_app(open_page(), "Kalendar Sync")
    ask_for(panel, "Show")
    assert "No secret of this app is stored here." in panel.get_by_role("alert").inner_text()


def test_a_server_that_shows_no_secrets_has_no_button_for_it(open_page: Open) -> None:
    panel = open_app(open_page(without=["reveal_client_secret"]), "Reports")
    assert "This server shows no secrets." in panel.inner_text()
    assert panel.get_by_role("button", name="Show the current secret").count() == 0
