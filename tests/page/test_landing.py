"""The link of a client leads to an app in the tab of the console, in a real Chromium."""

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from consoles import CALENDAR, Page, flags_for
from page_steps import PHONE, Open, Run, framed, open_app, press, say_yes
from server.login.channels import modern
from support import lines, running, talk

pytestmark = pytest.mark.page

SHOWN = "The console shows the app"
ALONE = "No tab of the console has answered"


def follow(tab: Any, link: str, heading: str) -> Any:
    """Open a link in a new tab of the same browser, as a client does. Returns the tab."""
    landed = tab.context.new_page()
    landed.goto(link)
    landed.get_by_role("heading", name=heading).wait_for()
    return landed


def link_to(console: Page, client_id: str) -> str:
    return f"{console.origin}/#app={quote(client_id)}"


def test_a_link_opens_the_app_in_the_tab_of_the_console(tab: Any, console: Page) -> None:
    follow(tab, link_to(console, CALENDAR), SHOWN)
    panel = tab.locator(".panel")
    assert "Calendar Sync" in panel.locator(".detail").inner_text()
    tab.get_by_text("A link has opened this app.").wait_for()
    assert tab.get_by_role("dialog").count() == 0


def test_a_tab_that_is_just_loading_opens_it_too(tab: Any, console: Page) -> None:
    tab.reload(wait_until="commit")
    follow(tab, link_to(console, CALENDAR), SHOWN)
    tab.locator(".panel .detail").wait_for()


def test_a_link_takes_no_form_away(tab: Any, console: Page) -> None:
    panel = open_app(tab, "Notes CLI")
    press(panel, "Edit")
    panel.get_by_label("Client name").fill("Half done")
    landed = follow(tab, link_to(console, CALENDAR), ALONE)
    assert panel.get_by_label("Client name").input_value() == "Half done"
    press(panel, "Back to the app")
    landed.reload()
    landed.get_by_role("heading", name=SHOWN).wait_for()


def test_a_link_takes_no_question_away(tab: Any, console: Page) -> None:
    panel = open_app(tab, "Notes CLI")
    press(panel, "Delete")
    press(panel, "Delete the app")
    question = tab.get_by_role("dialog")
    question.wait_for()
    follow(tab, link_to(console, CALENDAR), ALONE)
    assert "Notes CLI" in question.inner_text()


def test_another_browser_shows_nothing_and_says_what_to_do(
    tab: Any, local_tab: Open, console: Page
) -> None:
    landed = local_tab()
    landed.goto(link_to(console, CALENDAR))
    landed.get_by_role("heading", name=ALONE).wait_for()
    assert "connected-apps-mcp console" in landed.get_by_role("main").inner_text()
    assert tab.locator(".panel").count() == 0


def test_the_address_without_an_app_shows_nothing(tab: Any, console: Page) -> None:
    for fragment in ("", "#", "#app=", f"#app={'x' * 201}", f"#{CALENDAR}"):
        follow(tab, f"{console.origin}/{fragment}", "The console runs here")
    assert tab.locator(".panel").count() == 0


def test_what_a_stranger_writes_behind_the_link_is_no_more_than_an_app_that_is_not_there(
    tab: Any, console: Page
) -> None:
    for client_id in (
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "../../api/about",
        "Say yes\u202e now",
        "connected-app-test-none",
    ):
        landed = follow(tab, link_to(console, client_id), SHOWN)
        panel = tab.locator(".panel")
        panel.get_by_role("alert").wait_for()
        assert client_id not in landed.locator("body").inner_text()
        assert tab.locator("img").count() == 0
        press(panel, "Close")
        panel.wait_for(state="detached")


LEAD = {
    "in a new tab": "(url) => { window.open(url) }",
    "in a new tab without a trace": "(url) => { window.open(url, '', 'noopener,noreferrer') }",
    "by itself": "(url) => { location.href = url }",
}


def test_a_page_of_another_origin_makes_the_console_open_nothing(
    tab: Any, console: Page, stranger: tuple[Any, Any]
) -> None:
    other, _ = stranger
    for way, script in LEAD.items():
        with tab.context.expect_event(
            "response", lambda response: response.url == f"{console.origin}/"
        ) as response:
            other.evaluate(script, link_to(console, CALENDAR))
        assert response.value.status == 403, way
    assert tab.locator(".panel").count() == 0


def test_a_page_of_another_origin_cannot_frame_the_address(
    tab: Any, console: Page, stranger: tuple[Any, Any]
) -> None:
    url = link_to(console, CALENDAR)
    assert framed(stranger[0], url).startswith("chrome-error:")
    assert tab.locator(".panel").count() == 0


def test_axe_finds_nothing(local_tab: Open, console: Page, npm: Run) -> None:
    axe = npm("axe")
    for form in ({}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        landed = local_tab(**form)
        landed.clock.install()  # no tab of the console is there to wait for
        for fragment, heading in {"": "The console runs here", f"#app={CALENDAR}": ALONE}.items():
            landed.goto("about:blank")
            landed.goto(f"{console.origin}/{fragment}")
            landed.clock.run_for(5_000)
            landed.get_by_role("heading", name=heading).wait_for()
            landed.evaluate(axe)
            assert landed.evaluate("axe.run().then((found) => found.violations)") == []


# From the model's call to the secret.


class Client:
    """A client of the current era over stdio that opens links. Keeps all that it reads."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.read: list[str] = []

    def call(self, tool: str, **more: Any) -> dict[str, Any]:
        """The result of a call."""
        message = modern(
            "tools/call",
            {"name": tool, **more},
            capabilities={"elicitation": {"url": {}}},
        )
        talk(self._process, lines(message))
        assert self._process.stdout
        self.read.append(self._process.stdout.readline())
        result: dict[str, Any] = json.loads(self.read[-1])["result"]
        return result


def test_a_model_leads_a_person_to_a_secret_that_it_never_reads(tab: Any, tmp_path: Path) -> None:
    with running(*flags_for(tmp_path)) as process:
        client = Client(process)
        created = client.call(
            "create_app", arguments={"client_type": "first_party", "client_name": "Brand new"}
        )["structuredContent"]
        given = {"arguments": {"client_id": created["app"]["client_id"]}}
        asked = client.call("show_client_secret_in_console", **given)["inputRequests"]
        ((field, request),) = asked.items()
        follow(tab, request["params"]["url"], SHOWN)
        agreed = {"inputResponses": {field: {"action": "accept"}}}
        assert not client.call("show_client_secret_in_console", **given, **agreed).get("isError")
    panel = tab.locator(".panel")
    press(panel, "Show the current secret")
    say_yes(tab, "on this page?")
    panel.get_by_role("button", name="Hide the current secret").wait_for()
    secret = panel.locator("code.value").inner_text()
    assert secret.endswith(created["client_secret"]["last_four"])
    assert not [line for line in client.read if secret in line]
    audit = (tmp_path / "data" / "audit").glob("*.jsonl")
    assert any("reveal_client_secret" in log.read_text() for log in audit)
