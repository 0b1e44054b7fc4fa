"""Over HTTP a request gets a stream only if it may need one, and resumes only what is its own."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from support import HELLO, MODERN, REAL, announcing, listening, serving

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.transports.http import streams
from connected_apps_mcp.transports.http.app import build_app
from connected_apps_mcp.transports.http.network import Network
from connected_apps_tools import TOOLSETS, ToolContext

BOTH = {"accept": "application/json, text/event-stream"}
JSON, STREAM = "application/json", "text/event-stream"


class Caller:
    """A client of one era with a raw view of the responses."""

    def __init__(self, http: httpx2.Client, url: str, era: str) -> None:
        self.http, self.url, self.era = http, url, era
        self.headers: dict[str, str] = {"mcp-protocol-version": "2026-07-28"}
        if era == "handshake":
            begun = http.post(url, json=HELLO[0])
            self.headers = {
                "mcp-session-id": begun.headers["mcp-session-id"],
                "mcp-protocol-version": "2025-11-25",
            }
            http.post(url, json=HELLO[1], headers=self.headers)

    def request(self, method: str, *, token: str | None = None, **params: Any) -> dict[str, Any]:
        """The arguments of a POST."""
        meta = (MODERN if self.era == "current" else {}) | (
            {"progressToken": token} if token else {}
        )
        headers = dict(self.headers)
        if self.era == "current":
            names = {"mcp-name": params.get("name") or params.get("uri")}
            headers |= {"mcp-method": method} | {k: v for k, v in names.items() if v}
        message = {"jsonrpc": "2.0", "id": 5, "method": method}
        return {"json": message | {"params": {**params, "_meta": meta}}, "headers": headers}

    def ask(self, method: str, **params: Any) -> httpx2.Response:
        """The response to a request."""
        return self.http.post(self.url, **self.request(method, **params))

    def call(self, tool: str, token: str | None = None, **arguments: Any) -> httpx2.Response:
        """The response to a call of a tool."""
        return self.ask("tools/call", token=token, name=tool, arguments=arguments)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening("--transport", "http", "--sandbox") as urls:
        yield urls["http"]


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(headers=BOTH, trust_env=False, timeout=20) as http:
        yield http


@pytest.fixture(params=["handshake", "current"])
def caller(http: httpx2.Client, url: str, request: pytest.FixtureRequest) -> Caller:
    return Caller(http, url, request.param)


PLAIN: list[tuple[str, dict[str, Any]]] = [
    ("tools/list", {}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "review-apps"}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": "connected-app://connected-app-test-1"}),
    ("tools/call", {"name": "search_apps", "arguments": {}}),
    ("tools/call", {"name": "get_server_status", "arguments": {}}),
    ("tools/call", {"name": "get_app", "arguments": {"client_id": "connected-app-test-1"}}),
]


@pytest.mark.parametrize(("method", "params"), PLAIN)
def test_a_request_that_needs_no_stream_gets_plain_json(
    caller: Caller, method: str, params: dict[str, Any]
) -> None:
    response = caller.ask(method, **params)
    assert response.headers["content-type"] == JSON
    assert response.json()["id"] == 5


def test_a_call_that_reports_progress_streams(caller: Caller) -> None:
    response = caller.call("search_apps", token="here")
    assert response.headers["content-type"] == STREAM
    assert '"progressToken":"here"' in response.text.replace(" ", "")
    assert '"result"' in response.text


def test_a_call_that_changes_something_can_stream(http: httpx2.Client, url: str) -> None:
    created = Caller(http, url, "handshake").call("create_app", client_type="third_party_public")
    assert created.headers["content-type"] == STREAM


@pytest.mark.parametrize("tool", ["create_app", "delete_app"])
def test_a_call_that_changes_something_is_plain_in_the_current_era(
    http: httpx2.Client, url: str, tool: str
) -> None:
    called = Caller(http, url, "current").call(tool, client_id="connected-app-test-1")
    assert called.headers["content-type"] == JSON


def test_a_call_in_a_session_streams_whatever_era_it_claims(http: httpx2.Client, url: str) -> None:
    caller = Caller(http, url, "handshake")
    arguments = {"client_type": "third_party_public"}
    request = caller.request("tools/call", name="create_app", arguments=arguments)
    request["json"]["params"]["_meta"] = MODERN
    assert caller.http.post(caller.url, **request).headers["content-type"] == STREAM


def test_a_request_that_hides_its_progress_token_in_escapes_streams(caller: Caller) -> None:
    request = caller.request("tools/call", token="here", name="search_apps", arguments={})
    body = json.dumps(request["json"]).replace("progressToken", r"progress\u0054oken")
    headers = request["headers"] | {"content-type": JSON}
    response = caller.http.post(caller.url, content=body, headers=headers)
    assert response.headers["content-type"] == STREAM


@pytest.mark.parametrize("accepted", ["application/json", "text/event-stream", "text/html"])
def test_a_client_has_to_accept_both_json_and_streams(caller: Caller, accepted: str) -> None:
    request = caller.request("tools/list")
    request["headers"] |= {"accept": accepted}
    assert caller.http.post(caller.url, **request).status_code == 406


def test_what_is_no_message_is_refused(caller: Caller) -> None:
    headers = caller.headers | {"content-type": JSON}
    for body in (b"", b"{", b"[]", b"null", b'{"method":["x"]}', b"[" * 10_000, b"\xff"):
        response = caller.http.post(caller.url, content=body, headers=headers)
        assert response.status_code == 400


def test_a_call_without_a_stream_in_the_current_era_ends_when_its_client_hangs_up() -> None:
    called, hung_up = threading.Event(), threading.Event()

    async def noticing(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        hung_up.set()

    with (
        serving(announcing(noticing, called)) as service,
        listening("--transport", "http", "--base-url", service, **REAL) as urls,
        httpx2.Client(headers=BOTH, trust_env=False, timeout=1) as http,
    ):
        caller = Caller(http, urls["http"], "current")
        with pytest.raises(httpx2.ReadTimeout):
            caller.call("get_app", client_id="hanging")
        assert called.is_set()
        assert hung_up.wait(10)


def events_after(http: httpx2.Client, caller: Caller, event_id: str) -> str:
    """What comes when a client resumes a stream after an event."""
    headers = caller.headers | {"last-event-id": event_id}
    text = ""
    with http.stream("GET", caller.url, headers=headers) as response:
        for line in response.iter_lines():
            text += line
            if line.startswith("id: ") and "data: {" in text:
                break
    return text


def test_a_client_resumes_only_streams_of_its_own_session(http: httpx2.Client, url: str) -> None:
    mine, other = (Caller(http, url, "handshake") for _ in range(2))
    ours = {"client_type": "third_party_public", "client_name": "of mine"}
    first = mine.call("create_app", **ours).text.replace("\r", "").split("\n")[0]
    other.call("create_app", **ours | {"client_name": "of another"})  # with the same id
    text = events_after(http, mine, first.removeprefix("id: "))
    assert "of mine" in text
    assert "of another" not in text


def test_a_client_cannot_resume_a_stream_of_another_session(http: httpx2.Client, url: str) -> None:
    mine, other = (Caller(http, url, "handshake") for _ in range(2))
    first = mine.call("create_app", client_type="third_party_public").text.split("\r\n")[0]
    headers = other.headers | {"last-event-id": first.removeprefix("id: ")}
    with http.stream("GET", url, headers=headers) as response:
        assert "result" not in response.read().decode()


def test_only_tools_that_read_and_show_no_secret_are_plain() -> None:
    tools = [tool for tools in TOOLSETS.values() for tool in tools]
    plain = {tool.name for tool in tools if tool.only_reads}
    assert {"get_app", "search_apps", "review_apps", "get_server_status"} <= plain
    assert not plain & {"create_app", "update_app", "delete_app", "reveal_client_secret"}


async def test_abandoned_sessions_leave_nothing_behind(
    project: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SESSION_IDLE_SECONDS", 0.05)
    app = build_app(build_server(project), ["http"], Network("127.0.0.1:8000"))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000", headers=BOTH
        ) as http,
    ):
        first = await http.post("/mcp", json=HELLO[0])  # starts a task that watches for the end
        session = {"mcp-session-id": first.headers["mcp-session-id"]}
        assert (await http.delete("/mcp", headers=session)).status_code == 200
        before = len(asyncio.all_tasks())
        for _ in range(20):
            assert (await http.post("/mcp", json=HELLO[0])).status_code == 200
        with anyio.fail_after(20):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - no event says so
                await anyio.sleep(0.05)
