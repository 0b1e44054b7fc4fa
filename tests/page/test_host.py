"""The page in a host on the official client and host side, in front of a real server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from consoles import CALENDAR, approvals_in, fill, flags_for
from page_relay import relayed
from page_steps import Open, Run, open_app, press
from support import ERAS, listening, secrets_command

from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools.text.redaction import Redactor

pytestmark = pytest.mark.page

TO_PAGE = "reveal_client_secret_to_page"


@pytest.fixture(scope="session")
def script(npm: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("host") / "host.js"
    npm("host", str(target))
    return target.read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server, with the apps of the example."""
    folder = tmp_path_factory.mktemp("server")
    fill(folder, Seed(example=True))
    return folder


@pytest.fixture(scope="module")
def flags(folder: Path) -> list[str]:
    return [*flags_for(folder), "--secret-store", "file"]


@contextmanager
def served(script: str, *flags: str) -> Iterator[str]:
    """The URL of a host in front of a server."""
    with (
        listening("--transport", "http", *flags) as urls,
        relayed(urls["http"], script) as origin,
    ):
        yield origin


@pytest.fixture(scope="module")
def origin(flags: list[str], script: str) -> Iterator[str]:
    with served(script, *flags) as origin:
        yield origin


@pytest.fixture
def host(new_tab: Open, origin: str) -> "Host":
    return Host(new_tab(), origin)


class Host:
    """A host with a model and a person."""

    def __init__(self, tab: Any, origin: str) -> None:
        self.tab = tab
        self._origin = origin

    def start(self, era: str = "auto", asks: str = "yes") -> None:
        """Connect to the server, as a host that asks a person or does not."""
        self.tab.goto(f"{self._origin}?era={era}&asks={asks}")
        self.tab.wait_for_function("() => Boolean(window.ask)")

    def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool as the model. Returns what the model gets."""
        asked = self.tab.evaluate("([tool, given]) => ask(tool, given)", [tool, arguments])
        assert not asked.get("isError"), asked
        result: dict[str, Any] = asked["structuredContent"]
        return result

    @property
    def page(self) -> Any:
        """The page in its frame."""
        frame = self.tab.frame_locator("iframe")
        frame.get_by_role("main").wait_for()
        return frame

    def answer(self, button: str) -> str:
        """Press a button of the question of the server. Returns the question."""
        dialog = self.tab.get_by_role("dialog")
        question: str = dialog.locator("p").inner_text()
        dialog.get_by_role("button", name=button, exact=True).click()
        return question

    def heard(self) -> str:
        """All that the server and the page have said to the host."""
        return str(self.tab.evaluate("JSON.stringify(heard)"))

    def methods(self) -> set[str]:
        """The methods among it."""
        return set(self.tab.evaluate("heard.map(message => message.method ?? '')"))


@pytest.fixture
def reports(host: Host) -> str:
    """The client id of an app that the model has made, and that the page shows."""
    host.start()
    made = host.ask("create_app", client_type="first_party", client_name="Reports")
    return str(made["app"]["client_id"])


@pytest.mark.parametrize("era", ERAS)
def test_the_page_shows_what_the_model_searched_and_filters_and_opens_it(
    host: Host, era: str
) -> None:
    host.start(era)
    assert (host.tab.evaluate("era") == "2026-07-28") == (era == "auto")
    for name in (f"Searched {era}", f"Other {era}"):
        host.ask("create_app", client_type="first_party", client_name=name)
    host.ask("search_apps", query=f"searched {era}")
    page = host.page
    page.get_by_text("1 of ").wait_for()
    panel = open_app(page, f"Other {era}")
    assert f"Other {era}" in panel.inner_text()


def test_the_page_opens_with_the_app_that_the_model_made(host: Host) -> None:
    host.start()
    host.ask("create_app", client_type="first_party", client_name="Reports")
    host.page.locator(".detail").get_by_text("Reports").first.wait_for()


def test_the_page_opens_with_the_review_of_the_model(host: Host) -> None:
    host.start()
    host.ask("review_apps")
    host.page.get_by_role("heading", name="Review", level=1).wait_for()


def test_an_app_that_the_model_deleted_is_not_looked_for(host: Host, reports: str) -> None:
    host.tab.evaluate("id => { window.deletion = ask('delete_app', {client_id: id}) }", reports)
    host.answer("Yes")
    host.tab.evaluate("deletion")
    page = host.page
    page.get_by_role("heading", name="Apps", level=1).wait_for()
    assert page.locator(".panel").count() == 0


def test_a_change_in_the_page_is_asked_about_in_the_host_and_said_by_a_press(
    host: Host, reports: str
) -> None:
    page = host.page
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the app").click()
    question = host.answer("Yes")
    assert 'App: "Reports"' in question
    assert reports in question
    page.get_by_text("The app is deleted.").first.wait_for()
    assert "ui/message" not in host.methods()
    page.get_by_role("button", name="Say it in the conversation").click()
    page.get_by_role("button", name="Said").wait_for()
    assert "ui/message" in host.methods()
    assert f"I did this in the page: delete the app ({reports})." in host.heard()


@pytest.mark.usefixtures("reports")
def test_a_form_in_the_page_changes_an_app(host: Host) -> None:
    page = host.page
    press(page, "Edit")
    page.get_by_label("Client name").fill("Reports of today")
    page.get_by_label("Client name").press("Enter")
    press(page, "Back to the form")
    press(page, "See what it does")
    press(page, "Change the app")
    page.get_by_text("The app is changed.").first.wait_for()


@pytest.mark.usefixtures("reports")
def test_a_no_in_the_host_is_said_in_the_page(host: Host) -> None:
    page = host.page
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the app").click()
    host.answer("No")
    page.get_by_text("Nothing was done: the user declined.").wait_for()


@pytest.mark.parametrize("era", ERAS)
def test_the_page_shows_a_secret_that_the_host_never_has_in_readable_form(
    host: Host, flags: list[str], folder: Path, era: str
) -> None:
    host.start(era)
    made = host.ask("create_app", client_type="first_party", client_name="Reports")
    client_id = made["app"]["client_id"]
    secret = secrets_command("show", client_id, *flags).stdout.strip()
    page = host.page
    page.get_by_role("button", name="Show the current secret").click()
    question = host.answer("Yes")
    assert question.startswith("Show the current client secret of this app in the page?")
    page.get_by_text(secret).wait_for()
    heard = host.heard()
    assert TO_PAGE in heard
    assert '"ciphertext":"' in heard
    readable = Redactor()
    readable.add(secret)
    assert not readable.contains_secret(heard)
    (log,) = (folder / "data" / "audit").glob("*.jsonl")
    audit = log.read_text("utf-8")
    assert f"\u2026{secret[-4:]}" in json.loads(audit.splitlines()[-1])["revealed"]
    assert not readable.contains_secret(audit)


@pytest.mark.usefixtures("reports")
def test_a_no_shows_no_secret(host: Host) -> None:
    page = host.page
    page.get_by_role("button", name="Show the current secret").click()
    host.answer("No")
    page.get_by_text("Nothing was done: the user declined.").wait_for()
    assert '"ciphertext":"' not in host.heard()


def test_an_error_of_a_tool_is_shown_with_its_hint(host: Host) -> None:
    host.start()
    host.ask("get_app", client_id=CALENDAR)
    page = host.page
    page.get_by_role("button", name="Show the current secret").click()
    said = page.locator(".panel").get_by_role("alert").inner_text()
    assert "No current secret of this app is stored here." in said
    assert "To replace the secret, use start_secret_rotation." in said


@pytest.mark.usefixtures("reports")
def test_an_error_of_the_host_itself_is_shown(host: Host) -> None:
    host.page.get_by_role("navigation").wait_for()
    host.tab.evaluate(
        """() => {
            bridge.oncalltool = async () => {
                throw Object.assign(new Error("The server is gone."), { data: { status: 502 } });
            };
        }"""
    )
    host.page.get_by_role("button", name="Show the current secret").click()
    said = host.page.locator(".panel").get_by_role("alert").inner_text()
    assert "The server is gone." in said


def test_in_a_host_there_are_no_approvals_and_no_audit(host: Host) -> None:
    host.start()
    host.ask("search_apps")
    views = host.page.get_by_role("navigation").get_by_role("button")
    assert views.all_inner_texts() == ["Apps", "Review"]


def test_an_approval_lets_the_page_show_a_secret_where_the_host_cannot_ask(
    new_tab: Open, flags: list[str], folder: Path, script: str
) -> None:
    with served(script, *flags, "--confirm", "always") as origin:
        host = Host(new_tab(), origin)
        host.start(asks="no")
        host.ask("create_app", client_type="first_party", client_name="Reports")
        show = host.page.get_by_role("button", name="Show the current secret")
        show.click()
        host.page.get_by_text("this client cannot ask").wait_for()
        approvals = approvals_in(folder)
        (call,) = approvals
        approvals.approve(call)
        show.click()
        host.page.get_by_role("button", name="Hide the current secret").wait_for()
        host.tab.close()


def test_the_model_does_not_get_the_tool_of_the_page(host: Host) -> None:
    host.start()
    names = [tool["name"] for tool in host.tab.evaluate("forModel")]
    assert "reveal_client_secret" in names
    assert TO_PAGE not in names


@pytest.mark.usefixtures("reports")
def test_the_page_takes_the_theme_of_the_host_and_its_changes(host: Host) -> None:
    html = host.page.locator("html")
    assert html.get_attribute("data-theme") == "dark"
    host.tab.evaluate("bridge.sendHostContextChange({theme: 'light'})")
    host.page.locator("html[data-theme=light]").wait_for()


def test_the_page_fills_the_screen_and_goes_back(host: Host) -> None:
    host.start()
    host.ask("search_apps")
    page = host.page
    page.get_by_role("button", name="Full screen").click()
    page.get_by_role("button", name="Back to the conversation").wait_for()
    screen = host.tab.viewport_size["height"]
    assert page.locator("body").bounding_box()["height"] == screen
    page.get_by_role("button", name="Back to the conversation").click()
    page.get_by_role("button", name="Full screen").wait_for()
    assert page.locator("body").bounding_box()["height"] == 600


def test_in_a_narrow_frame_the_parts_of_the_header_do_not_overlap(host: Host) -> None:
    host.start()
    host.ask("search_apps")
    host.tab.evaluate("document.querySelector('iframe').style.width = '360px'")
    page = host.page
    page.locator(".top .title").wait_for()
    boxes = [page.locator(f".top {part}").bounding_box() for part in (".title", ".environment")]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    screen = page.get_by_role("button", name="Full screen").bounding_box()
    views = page.get_by_role("navigation").bounding_box()
    assert views["y"] <= screen["y"] < views["y"] + views["height"]


def test_the_host_gives_the_page_the_height_that_it_asks_for(host: Host) -> None:
    host.start()
    host.ask("search_apps")
    host.page.get_by_role("navigation").wait_for()
    host.tab.wait_for_function("document.querySelector('iframe').style.height == '600px'")


@pytest.mark.usefixtures("reports")
def test_the_page_lets_the_host_end_it(host: Host) -> None:
    host.page.get_by_role("navigation").wait_for()
    assert host.tab.evaluate("bridge.teardownResource({})") == {}


def test_the_page_shows_no_secret_where_the_operator_forbids_it(
    new_tab: Open, flags: list[str], script: str
) -> None:
    with served(script, *flags, "--reveal", "never") as origin:
        host = Host(new_tab(), origin)
        host.start()
        host.ask("create_app", client_type="first_party", client_name="Reports")
        host.page.get_by_text("This server shows no secrets.").wait_for()
        assert TO_PAGE not in host.tab.evaluate("tools.map(tool => tool.name)")
        host.tab.close()


@pytest.mark.usefixtures("reports")
def test_a_secret_is_copied_where_the_host_lets_the_page(host: Host) -> None:
    page = host.page
    copy = page.get_by_role("button", name="Copy the current secret")
    copy.click()
    host.answer("Yes")
    page.get_by_text("The secret is here. Press Copy once more.").wait_for()
    copy.click()
    page.get_by_text("Copied. The clipboard is cleared in 30 seconds.").wait_for()
