"""The two links of the page: to the console over HTTP, and to the host of an MCP App."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from page_steps import Open, Run

import build_page

CONSOLE = "https://page.test/"
SECRET = "secret-canary-of-the-page-wxyz"
APP = {
    "client_id": "app-1",
    "client_name": "Mine",
    "client_type": "third_party",
    "status": "active",
    "redirect_urls": ["https://app.example/cb"],
    "access_token_expiry_minutes": 60,
    "full_access_allowed": False,
    "bypass_consent_for_offline_access": False,
    "client_secret_last_four": "wxyz",
}
RESULTS: dict[str, Any] = {
    "search_apps": {"apps": [APP], "scanned": 1, "total": 1, "stopped": "end"},
    "review_apps": {
        "findings": [],
        "fixes": {},
        "counts": {},
        "not_told": 0,
        "scanned": 1,
        "stopped": "end",
    },
    "get_app": {"app": APP},
    "delete_app": {"client_id": "app-1", "deleted": True, "former": APP},
}
ABOUT = {
    "project_id": "project-test-1",
    "environment": "test",
    "version": "1",
    "tools": json.loads(build_page.tools()),
}
QUESTION = {"id": "question-1", "text": 'Delete this app?\nApp: "Mine"\nIt is gone.'}


@dataclass
class Console:
    """The console's side of its protocol, as far as the page needs it.

    Attributes:
        asked: method, path, headers and body of each request.
        status: the status of every response, where it is not 200.
        events: what the stream of events says.
    """

    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    status: int = 200
    events: str = ""

    def answer(self, route: Any) -> Any:
        """Respond to a request of the page."""
        request = route.request
        path = request.url.removeprefix(CONSOLE).partition("?")[0]
        if not path:
            html = build_page.PAGE.read_text("utf-8")
            return route.fulfill(body=html, content_type="text/html")
        if path == "api/events":
            return route.fulfill(body=self.events, content_type="text/event-stream")
        body = request.post_data_json
        self.asked.append((request.method, path, request.headers, body))
        return route.fulfill(json=self._outcome(path, body), status=self.status)

    def _outcome(self, path: str, body: Any) -> Any:
        if path == "api/about":
            return {"result": ABOUT}
        if path == "api/approvals":
            return {"result": []}
        if path == "api/secret":
            return {"result": {"value": SECRET}}
        if path != "api/call":
            return {"result": None}
        dry_run = body["arguments"].get("dry_run")
        if body["tool"] == "delete_app" and not dry_run and "answer" not in body:
            return {"question": QUESTION}
        return {"result": RESULTS[body["tool"]]}

    def bodies(self, path: str) -> list[Any]:
        """The bodies of the requests to a path."""
        return [body for _, asked, _, body in self.asked if asked == path]


@pytest.fixture
def console(new_tab: Open) -> tuple[Any, Console]:
    """A tab, and the console that it reaches."""
    console = Console()
    tab = new_tab()
    tab.route("**/*", console.answer)
    return tab, console


def test_the_token_of_the_link_is_used_once_and_leaves_the_address(
    console: tuple[Any, Console],
) -> None:
    tab, server = console
    tab.goto(f"{CONSOLE}#token=one-time")
    tab.get_by_role("button", name="Mine").wait_for()
    assert server.bodies("api/session") == [{"token": "one-time"}]
    assert tab.url == CONSOLE


def test_every_request_says_that_the_page_makes_it(console: tuple[Any, Console]) -> None:
    tab, server = console
    tab.goto(CONSOLE)
    tab.get_by_role("button", name="Mine").wait_for()
    assert {headers.get("x-console") for _, _, headers, _ in server.asked} == {"1"}


def test_the_answer_of_the_person_goes_with_the_same_call(console: tuple[Any, Console]) -> None:
    tab, server = console
    tab.goto(CONSOLE)
    tab.get_by_role("button", name="Mine").click()
    tab.get_by_role("button", name="Delete", exact=True).click()
    tab.get_by_role("button", name="Delete the app").click()
    tab.get_by_role("button", name="Yes, do it").click()
    tab.get_by_text("The app is deleted.").first.wait_for()
    call = {"tool": "delete_app", "arguments": {"client_id": "app-1"}}
    answered = call | {"answer": {"answer": "question-1", "confirm": True}}
    deletions = [each for each in server.bodies("api/call") if each["tool"] == "delete_app"]
    assert deletions[1:] == [call, answered]


def test_a_secret_comes_past_the_tools(console: tuple[Any, Console]) -> None:
    tab, server = console
    tab.goto(CONSOLE)
    tab.get_by_role("button", name="Mine").click()
    tab.get_by_role("button", name="Show the current secret").click()
    tab.get_by_text(SECRET).wait_for()
    assert server.bodies("api/secret") == [{"client_id": "app-1", "which": "current"}]


def test_a_console_that_has_ended_says_how_to_begin_again(console: tuple[Any, Console]) -> None:
    tab, server = console
    server.status = 401
    tab.goto(CONSOLE)
    alert = tab.get_by_role("alert")
    assert "The console has ended." in alert.inner_text()
    assert "Run connected-apps-mcp console again" in alert.inner_text()


def test_a_console_that_is_gone_is_said_to_be_so(console: tuple[Any, Console]) -> None:
    tab, _ = console
    tab.goto(CONSOLE)
    tab.get_by_role("button", name="Mine").wait_for()
    tab.unroute_all()
    tab.route("**/*", lambda route: route.abort())
    tab.get_by_role("button", name="Mine").click()
    assert "The console does not answer." in tab.locator(".panel").inner_text()


def test_what_an_event_names_is_read_again(console: tuple[Any, Console]) -> None:
    tab, server = console
    server.events = 'data: {"kind": "approvals"}\n\n'
    tab.goto(CONSOLE)
    tab.get_by_role("button", name="Mine").wait_for()
    tab.wait_for_timeout(200)
    assert len([path for _, path, _, _ in server.asked if path == "api/approvals"]) >= 2


@pytest.fixture(scope="session")
def host_script(npm: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A host on the official host side of the extension."""
    target = tmp_path_factory.mktemp("host") / "host.js"
    npm("host", "host", str(target))
    return Path(target).read_text("utf-8")


@pytest.fixture
def open_host(new_tab: Open, host_script: str) -> Open:
    """Opens the page in a sandboxed frame of a host. Returns the tab of the host."""

    def opened(answers: dict[str, Any] | None = None, **given: Any) -> Any:
        empty = '<script type="application/json" id="about">null</script>'
        page = build_page.PAGE.read_text("utf-8")
        assert empty in page
        about = json.dumps(ABOUT).replace("<", "\\u003c")
        tab = new_tab()
        given |= {
            "page": page.replace(empty, empty.replace("null", about)),
            "answers": {name: as_result(value) for name, value in RESULTS.items()}
            | (answers or {}),
        }
        html = '<iframe sandbox="allow-scripts" width="1000" height="700"></iframe>'
        tab.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html"))
        tab.goto(CONSOLE)
        for name, value in given.items():
            tab.evaluate("([name, value]) => { window[name] = value }", [name, value])
        tab.add_script_tag(content=host_script, type="module")
        tab.frame_locator("iframe").get_by_role("main").wait_for()
        return tab

    return opened


def as_result(value: Any) -> dict[str, Any]:
    """A result of a tool, as a host passes it on."""
    return {
        "content": [{"type": "text", "text": json.dumps(value)}],
        "structuredContent": value,
    }


def page_in(tab: Any) -> Any:
    """The page in the frame of a host."""
    return tab.frame_locator("iframe")


def test_in_a_host_the_page_shows_the_apps_and_takes_its_theme(open_host: Open) -> None:
    page = page_in(open_host())
    page.get_by_role("button", name="Mine").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_in_a_host_there_are_no_approvals_and_no_audit(open_host: Open) -> None:
    views = page_in(open_host()).get_by_role("navigation").get_by_role("button")
    assert views.all_inner_texts() == ["Apps", "Review"]


def test_the_page_begins_with_what_the_conversation_is_about(open_host: Open) -> None:
    shown = as_result(RESULTS["get_app"])
    tab = open_host(input={"client_id": "app-1"}, result=shown)
    page_in(tab).locator(".detail").get_by_text("Mine").first.wait_for()


def test_a_secret_passes_the_host_only_encrypted(open_host: Open) -> None:
    tab = open_host({"reveal_client_secret_to_page": SECRET})
    page = page_in(tab)
    page.get_by_role("button", name="Mine").click()
    page.get_by_role("button", name="Show the current secret").click()
    page.get_by_text(SECRET).wait_for()
    seen = tab.evaluate("JSON.stringify(state)")
    assert "reveal_client_secret_to_page" in seen
    assert SECRET not in seen


def test_an_error_of_a_tool_is_shown_with_its_hint(open_host: Open) -> None:
    failure = {"error": "NotConfirmed", "message": "The user declined.", "hint": "Ask again."}
    refused = {"content": [{"type": "text", "text": json.dumps(failure)}], "isError": True}
    page = page_in(open_host({"search_apps": refused}))
    alert = page.get_by_role("alert")
    assert "The user declined." in alert.inner_text()
    assert "Ask again." in alert.inner_text()


def test_an_error_of_the_host_itself_is_shown(open_host: Open) -> None:
    page = page_in(open_host({"search_apps": {"thrown": "The server is gone."}}))
    assert "The server is gone." in page.get_by_role("alert").inner_text()


def test_the_page_asks_the_host_for_its_height(open_host: Open) -> None:
    tab = open_host()
    page_in(tab).get_by_role("button", name="Mine").wait_for()
    tab.wait_for_function("state.sizes.length > 0")
    assert tab.evaluate("state.sizes.at(-1).height") == 600


def test_a_change_is_said_in_the_conversation_by_a_press_alone(open_host: Open) -> None:
    tab = open_host()
    page = page_in(tab)
    page.get_by_role("button", name="Mine").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the app").click()
    page.get_by_text("The app is deleted.").first.wait_for()
    assert tab.evaluate("state.messages") == []
    page.get_by_role("button", name="Say it in the conversation").click()
    tab.wait_for_function("state.messages.length == 1")
    (said,) = tab.evaluate("state.messages.map(each => each.content[0].text)")
    assert said == "I did this in the page: delete the app (app-1)."
