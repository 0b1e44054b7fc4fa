"""The page in a real Chromium, in front of the real console on a sandbox."""

import json
from pathlib import Path
from typing import Any

import pytest
from consoles import (
    CALENDAR,
    Page,
    approvals_in,
    console_at_terminal,
    flags_for,
    waiting_call,
)
from page_steps import Open, framed, open_app, press, say_yes, show_view
from server.terminal import Terminal

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed

pytestmark = pytest.mark.page


def create(tab: Any, name: str) -> Any:
    """Create an app, and return its panel."""
    press(tab, "New app")
    panel = tab.locator(".panel")
    panel.get_by_label("Client type").select_option("first_party")
    panel.get_by_label("Client name").fill(name)
    press(panel, "See what it does")
    press(panel, "Create the app")
    press(panel, "Show the app")
    panel.locator(".detail").wait_for()
    return panel


def last_four(panel: Any) -> str:
    """The last characters of the masked secret."""
    return str(panel.locator(".value.masked").first.inner_text())[-4:]


def test_the_link_shows_the_apps_and_leaves_no_token_behind(tab: Any, console: Page) -> None:
    assert tab.url == console.url
    assert tab.locator("[data-row]").count() == 3
    tab.reload()
    tab.get_by_role("button", name="Calendar Sync").wait_for()


def test_the_link_shows_nothing_to_another_browser(
    tab: Any, local_tab: Open, console: Page
) -> None:
    other = local_tab()
    other.goto(console.link)
    said = other.get_by_role("alert").inner_text()
    assert "The console has ended." in said
    assert "Run connected-apps-mcp console again" in said
    assert tab.locator("[data-row]").count() == 3


def test_more_tabs_than_a_browser_has_connections_all_answer_and_the_last_one_hears(
    tab: Any, console: Page, tmp_path: Path
) -> None:
    tabs = [tab, *(tab.context.new_page() for _ in range(6))]
    for each in tabs[1:]:
        each.goto(console.url)
        each.get_by_role("button", name="Calendar Sync").wait_for()
    for each in tabs[:-1]:
        each.close()
    approvals_in(tmp_path).add(waiting_call())
    tabs[-1].get_by_role("navigation").get_by_text("1 waiting").wait_for()


def test_what_the_page_asks_by_itself_is_no_sign_of_the_person_and_a_press_is(
    tab: Any, tmp_path: Path
) -> None:
    signs = list[str | None]()
    while len(signs) < 20 and signs[-1:] != [None]:  # the driver pressed too, some seconds ago
        with tab.expect_request("**/api/approvals") as by_itself:
            approvals_in(tmp_path).add(waiting_call(id=f"{len(signs):064}"))
        signs.append(by_itself.value.headers.get("x-person"))
    assert signs[-1] is None
    with tab.expect_request(lambda request: "/api/audit" in request.url) as pressed:
        show_view(tab, "Audit")
    assert pressed.value.headers["x-person"] == "1"


def test_the_apps_are_searched_filtered_and_opened(tab: Any) -> None:
    tab.get_by_role("combobox", name="Type").select_option("first_party_public")
    tab.get_by_text("1 of 3 apps").wait_for()
    assert "127.0.0.1" in open_app(tab, "Notes CLI").inner_text()


def test_an_app_says_who_authorised_it_in_an_organization(local_tab: Open, tmp_path: Path) -> None:
    seed(create_sandbox(kind="b2b", database=tmp_path / "apps.db"), Seed(example=True))
    with console_at_terminal(*flags_for(tmp_path), "--sandbox-kind", "b2b") as (console, _):
        tab = local_tab()
        tab.goto(console.link)
        panel = open_app(tab, "Calendar Sync")
        panel.get_by_label("Organization, by its id or slug").fill("acme")
        press(panel, "Look")
        assert "member-test-" in panel.locator(".members").inner_text()
        assert "openid" in panel.locator(".members").inner_text()
        tab.close()


def test_an_edit_shows_its_difference_and_asks(tab: Any) -> None:
    panel = open_app(tab, "Calendar Sync")
    press(panel, "Edit")
    panel.get_by_label("Redirect URLs", exact=True).fill("https://other.example/cb")
    press(panel, "See what it does")
    added = panel.locator(".diff > .added")
    assert "https://other.example/cb" in added.inner_text()
    press(panel, "Change the app")
    say_yes(tab, "although it will be less protected")
    panel.get_by_text("The app is changed.").wait_for()


def test_a_deletion_that_the_person_declines_is_not_made(tab: Any) -> None:
    panel = open_app(tab, "Calendar Sync")
    press(panel, "Delete")
    press(panel, "Delete the app")
    press(tab.get_by_role("dialog"), "No, do nothing")
    assert "the user declined" in panel.get_by_role("alert").inner_text()
    tab.reload()
    tab.get_by_role("button", name="Calendar Sync").wait_for()


def test_an_app_is_created_and_its_secret_shown_copied_and_hidden(tab: Any) -> None:
    panel = create(tab, "Brand new")
    end = last_four(panel)
    press(panel, "Show the current secret")
    say_yes(tab, "on this page?")
    panel.get_by_role("button", name="Hide the current secret").wait_for()
    secret = panel.locator("code.value").inner_text()
    assert secret.endswith(end)
    press(panel, "Copy the current secret")
    tab.get_by_text("Copied.").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()") == secret
    press(panel, "Hide the current secret")
    assert secret not in tab.content()


def test_a_secret_is_rotated_from_start_to_end(tab: Any) -> None:
    panel = create(tab, "Brand new")
    press(panel, "Start a rotation")
    press(panel, "Start the rotation")
    press(panel, "Show the app")
    panel.locator(".timeline").wait_for()
    press(panel, "Complete")
    press(panel, "Complete the rotation")
    say_yes(tab, "Complete")
    panel.get_by_text("The rotation is complete").wait_for()


def test_an_app_is_deleted_after_a_question(tab: Any) -> None:
    panel = open_app(tab, "Notes CLI")
    press(panel, "Delete")
    press(panel, "Delete the app")
    say_yes(tab, "Delete this app?")
    tab.get_by_text("The app is deleted.").first.wait_for()
    assert tab.get_by_role("button", name="Notes CLI").count() == 0


def test_the_keyboard_alone_deletes_an_app(tab: Any) -> None:
    tab.get_by_label("Search apps").focus()
    tab.keyboard.type("notes")
    tab.get_by_text("1 of 3 apps").wait_for()
    reach(tab, "Notes CLI")
    tab.keyboard.press("Enter")
    tab.locator(".detail").wait_for()
    for name in ("Delete", "Delete the app"):
        reach(tab, name)
        tab.keyboard.press("Enter")
    tab.get_by_role("dialog").wait_for()
    assert focused(tab) == "No, do nothing"
    tab.keyboard.press("Tab")
    assert focused(tab) == "Yes, do it"
    tab.keyboard.press("Enter")
    tab.get_by_text("The app is deleted.").first.wait_for()


def test_the_keyboard_alone_shows_a_secret(tab: Any) -> None:
    panel = create(tab, "Brand new")
    reach(tab, "Show the current secret")
    tab.keyboard.press("Enter")
    tab.get_by_role("dialog").wait_for()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    panel.get_by_role("button", name="Hide the current secret").wait_for()


def focused(tab: Any) -> str:
    return str(tab.evaluate("document.activeElement.textContent.trim()"))


def reach(tab: Any, name: str) -> None:
    """Press the Tab key until a button has the focus."""
    for _ in range(60):
        tab.keyboard.press("Tab")
        if focused(tab) == name:
            return
    raise AssertionError(f"the Tab key does not reach {name}")


def test_a_call_that_begins_to_wait_appears_and_is_approved_by_a_press(
    tab: Any, tmp_path: Path
) -> None:
    show_view(tab, "Approvals")
    tab.get_by_text("No call waits").wait_for()
    approvals_in(tmp_path).add(waiting_call())
    call = tab.get_by_role("article", name="Delete this app? This cannot be undone.")
    press(call, "Approve once")
    call.wait_for(state="detached")
    assert [each.approved for each in approvals_in(tmp_path)] == [True]


def test_what_was_done_is_in_the_audit_log_with_its_chain(tab: Any) -> None:
    create(tab, "Brand new")
    show_view(tab, "Audit")
    row = tab.get_by_role("row", name="create_app")
    assert "Done" in row.inner_text()
    assert "connected-apps-mcp console" in row.inner_text()
    tab.get_by_text("The chain of 3 lines is whole.").wait_for()


def test_a_console_that_has_ended_is_said_to_be_so(
    tab: Any, started: tuple[Page, Terminal]
) -> None:
    started[1].interrupt()
    alert = tab.get_by_role("alert")
    alert.wait_for()
    assert "The console does not answer." in alert.inner_text()


READ = """async ([url, init]) => {
    try { return await (await fetch(url, init)).text() } catch (error) { return `${error}` }
}"""


def test_a_page_of_another_origin_reads_nothing(stranger: tuple[Any, Any], console: Page) -> None:
    for path in ("", "api/about", "api/approvals", "api/audit", "api/events"):
        for mode in ("cors", "no-cors"):
            init = {"credentials": "include", "mode": mode}
            read = stranger[0].evaluate(READ, [console.url + path, init])
            assert read == "TypeError: Failed to fetch", (path, mode)


def test_a_page_of_another_origin_changes_nothing(
    stranger: tuple[Any, Any], console: Page, tab: Any
) -> None:
    body = {"tool": "update_app", "arguments": {"client_id": CALENDAR, "client_name": "x"}}
    for content_type in ("application/json", "text/plain"):
        for mode in ("cors", "no-cors"):
            init = {
                "method": "POST",
                "credentials": "include",
                "mode": mode,
                "headers": {"content-type": content_type, "x-console": "1"},
                "body": json.dumps(body),
            }
            stranger[0].evaluate(READ, [f"{console.url}api/call", init])
    tab.reload()
    tab.get_by_role("button", name="Calendar Sync").wait_for()


def test_a_page_of_another_origin_cannot_send_a_form(
    stranger: tuple[Any, Any], console: Page
) -> None:
    other, _ = stranger
    with other.expect_navigation() as sent:
        other.evaluate(
            """(url) => {
                const form = document.createElement("form");
                Object.assign(form, { action: url, method: "post" });
                document.body.append(form);
                form.submit();
            }""",
            f"{console.url}api/call",
        )
    assert sent.value.status == 403


def test_a_page_of_another_origin_cannot_frame_the_console(
    stranger: tuple[Any, Any], console: Page
) -> None:
    assert framed(stranger[0], console.url).startswith("chrome-error:")


def test_a_page_of_another_origin_keeps_no_hold_of_the_console(
    stranger: tuple[Any, Any], console: Page
) -> None:
    other, _ = stranger
    with other.context.expect_page() as opened:
        other.evaluate("(url) => { window.hold = window.open(url) }", console.url)
    opened.value.get_by_text("Connected Apps").first.wait_for()
    assert other.evaluate("window.hold.closed")
    assert opened.value.evaluate("window.opener") is None


def test_another_port_of_this_machine_gets_no_cookie(stranger: tuple[Any, Any]) -> None:
    other, site = stranger
    other.evaluate(READ, ["/api/about", {"credentials": "include"}])
    assert {*site.cookies} == {""}
