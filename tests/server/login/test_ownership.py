"""What a caller began is its own. To every other caller it does not exist."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from examples import APP
from server.login.channels import (
    ACCEPT,
    Channel,
    Reply,
    SseChannel,
    bearer,
    channel,
    modern,
    modern_headers,
    request_of,
)
from server.login.deployment import ADA, GRACE, Deployment, deployed
from support import ERAS, HELLO, MODERN

from connected_apps_mcp.confirmation.approvals import KIND, Approvals
from connected_apps_tools.api.models import CreateApp
from connected_apps_tools.scopes import Scope
from connected_apps_tools.storage.records import FolderState

URI = f"connected-app://{APP}"
OTHERS: list[dict[str, Any]] = [
    {"subject": GRACE},
    {"app": "two"},
    {"subject": GRACE, "app": "two"},
]
"""Who else there is: another person, another app, and both."""

ASKS: dict[str, Any] = {"elicitation": {"form": {}}}
"""The capabilities of a client that shows forms."""


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployed(tmp_path) as deployment:
        yield deployment


@pytest.fixture(params=OTHERS, ids=str)
async def other(request: pytest.FixtureRequest, deployment: Deployment) -> str:
    """The token of another caller."""
    return await deployment.token(**request.param)


def shown(response: httpx2.Response) -> tuple[int, str]:
    """All that a response says."""
    return response.status_code, response.text


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_session_of_another_caller_does_not_exist(
    deployment: Deployment, other: str, method: str
) -> None:
    mine = await deployment.token()
    async with channel(deployment.http, deployment.origin, ("http", "legacy"), mine) as way:

        async def attempt(session: str) -> httpx2.Response:
            headers = bearer(other) | way.headers | {"mcp-session-id": session}
            body = request_of("tools/list", {}) if method == "POST" else None
            return await way.http.request(method, way.url, json=body, headers=headers)

        real = way.headers["mcp-session-id"]
        refused, missing = await attempt(real), await attempt("0" * len(real))
        assert refused.status_code == 404
        assert shown(refused) == shown(missing)
        assert (await way.ask(mine, "tools/list")).result


async def test_a_session_goes_on_with_a_new_token_of_its_caller(deployment: Deployment) -> None:
    first, later = await deployment.token(), await deployment.token(frozenset({Scope.APPS_READ}))
    async with channel(deployment.http, deployment.origin, ("http", "legacy"), first) as way:
        assert (await way.call(later, "search_apps")).tool_result["apps"]


async def test_an_sse_session_of_another_caller_does_not_exist(
    deployment: Deployment, other: str
) -> None:
    mine = await deployment.token()
    async with channel(deployment.http, deployment.origin, ("sse", "legacy"), mine) as way:
        assert isinstance(way, SseChannel)
        missing_url = way.url.partition("=")[0] + "=" + "0" * 32
        message = request_of("tools/call", {"name": "search_apps", "arguments": {}}, 901)
        refused, missing = [
            await way.http.post(url, json=message, headers=bearer(other) | ACCEPT)
            for url in (way.url, missing_url)
        ]
        assert refused.status_code == 404
        assert shown(refused) == shown(missing)
        assert (await way.ask(mine, "tools/list")).result
        assert not [each for each in way.heard if each.get("id") == 901]
    assert not deployment.wire.requests


async def test_a_broken_stream_is_not_resumed_by_another_caller(
    deployment: Deployment, other: str
) -> None:
    mine = await deployment.token()
    origin = deployment.origin
    async with channel(deployment.http, origin, ("http", "legacy"), mine) as way:
        message = request_of("tools/call", {"name": "get_app", "arguments": {"client_id": APP}}, 5)
        message["params"]["_meta"] = {"progressToken": 1}  # so that the result is streamed
        streamed = await way.http.post(way.url, json=message, headers=bearer(mine) | way.headers)
        event = next(line for line in streamed.text.splitlines() if line.startswith("id: "))[4:]
        async with channel(deployment.http, origin, ("http", "legacy"), other) as foreign:
            for session in (way.headers, foreign.headers):
                heard = await resumed(foreign, other, {**session, "last-event-id": event})
                assert APP not in heard
        assert APP in await resumed(way, mine, {**way.headers, "last-event-id": event})


async def resumed(way: Channel, token: str, headers: dict[str, str]) -> str:
    """What comes on a stream that a caller resumes, until nothing more comes."""
    heard = ""
    with anyio.move_on_after(0.5):
        async with way.http.stream("GET", way.url, headers=headers | bearer(token)) as stream:
            async for piece in stream.aiter_text():
                heard += piece
    return heard


async def asked(deployment: Deployment, token: str) -> dict[str, Any]:
    """A question of the current era: a deletion that a person has to confirm."""
    question = await delete(deployment, token)
    assert question.result["resultType"] == "input_required"
    return question.result


async def delete(deployment: Deployment, token: str, **answered: Any) -> Reply:
    """Delete the app by a client that can ask."""
    params = {"name": "delete_app", "arguments": {"client_id": APP}, **answered}
    message = modern("tools/call", params)
    asks = {"io.modelcontextprotocol/clientCapabilities": ASKS}
    message["params"]["_meta"] = MODERN | asks
    url = f"{deployment.origin}/mcp"
    way = Channel(deployment.http, url, "auto")
    return await way.send(token, message, modern_headers(message))


YES = {"confirm": {"action": "accept", "content": {"confirm": True}}}


async def test_the_answer_to_a_question_of_another_caller_is_refused(
    deployment: Deployment, other: str
) -> None:
    mine = await deployment.token()
    sealed = (await asked(deployment, mine))["requestState"]
    forged = sealed[:-6] + ("AAAAAA" if not sealed.endswith("AAAAAA") else "BBBBBB")
    refused = await delete(deployment, other, requestState=sealed, inputResponses=YES)
    missing = await delete(deployment, other, requestState=forged, inputResponses=YES)
    assert shown(refused.response) == shown(missing.response)
    assert "error" in refused.message
    assert deployment.wire.app_as_it_is(APP)
    answered = await delete(deployment, mine, requestState=sealed, inputResponses=YES)
    assert answered.tool_result["deleted"]


async def test_a_question_of_the_handshake_era_is_not_answered_by_another_caller(
    deployment: Deployment, other: str
) -> None:
    mine = await deployment.token()
    async with asking_session(deployment, mine) as way, anyio.create_task_group() as tasks:
        questions: list[dict[str, Any]] = []
        results: list[dict[str, Any]] = []
        asked = anyio.Event()

        async def ask_for_deletion() -> None:
            params = {"name": "delete_app", "arguments": {"client_id": APP}}
            message = request_of("tools/call", params, 7)
            headers = bearer(mine) | way.headers
            async with way.http.stream("POST", way.url, json=message, headers=headers) as events:
                async for line in events.aiter_lines():
                    if line.startswith("data: {"):
                        heard = json.loads(line[6:])
                        (questions if "method" in heard else results).append(heard)
                        asked.set()

        tasks.start_soon(ask_for_deletion)
        with anyio.fail_after(20):
            await asked.wait()
        yes = {"jsonrpc": "2.0", "id": questions[0]["id"], "result": YES["confirm"]}
        async with asking_session(deployment, other) as foreign:
            sessions = [way.headers, foreign.headers]
            replies = [
                await way.http.post(way.url, json=yes, headers=bearer(other) | headers)
                for headers in sessions
            ]
        assert replies[0].status_code == 404
        assert deployment.wire.app_as_it_is(APP)
        assert not results
        await way.http.post(way.url, json=yes, headers=bearer(mine) | way.headers)
    assert results[0]["result"]["structuredContent"]["deleted"]


@asynccontextmanager
async def asking_session(deployment: Deployment, token: str) -> AsyncIterator[Channel]:
    """A session of a client that shows forms."""
    way = Channel(deployment.http, f"{deployment.origin}/mcp", "legacy")
    hello, ready = HELLO
    hello = {**hello, "params": {**hello["params"], "capabilities": ASKS}}
    greeted = await way.http.post(way.url, json=hello, headers=bearer(token) | ACCEPT)
    way.headers["mcp-session-id"] = greeted.headers["mcp-session-id"]
    await way.http.post(way.url, json=ready, headers=bearer(token) | way.headers)
    yield way


@pytest.mark.parametrize("era", ERAS)
async def test_an_approval_is_for_the_caller_that_asked(tmp_path: Path, era: str) -> None:
    async with deployed(tmp_path, confirm="always") as deployment:
        mine = await deployment.token()
        approvals = Approvals(FolderState(deployment.folder).records(KIND))
        origin = deployment.origin
        async with channel(deployment.http, origin, ("http", era), mine) as way:
            await way.call(mine, "delete_app", client_id=APP)
            (waiting,) = approvals
            assert waiting.caller["subject"] == ADA
            approvals.approve(waiting)
        for someone in OTHERS:
            other = await deployment.token(**someone)
            async with channel(deployment.http, origin, ("http", era), other) as way:
                refused = await way.call(other, "delete_app", client_id=APP)
                assert refused.result["isError"]
        assert deployment.wire.app_as_it_is(APP)
        renewed = await deployment.token()
        async with channel(deployment.http, origin, ("http", era), renewed) as way:
            assert (await way.call(renewed, "delete_app", client_id=APP)).tool_result["deleted"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_cursor_of_another_caller_is_no_cursor(
    deployment: Deployment, other: str, era: str
) -> None:
    mine = await deployment.token()
    for _ in range(101):
        await deployment.project.api.create(CreateApp(client_type="first_party"))
    origin = deployment.origin
    async with channel(deployment.http, origin, ("http", era), mine) as way:
        cursor = (await way.ask(mine, "resources/list")).result["nextCursor"]
        assert (await way.ask(mine, "resources/list", cursor=cursor)).result["resources"]
    async with channel(deployment.http, origin, ("http", era), other) as way:
        refused = await way.ask(other, "resources/list", cursor=cursor)
        missing = await way.ask(other, "resources/list", cursor="nothing")
        assert refused.message["error"] == missing.message["error"]


async def test_another_caller_ends_no_subscription_of_the_current_era(
    deployment: Deployment, other: str
) -> None:
    mine = await deployment.token()
    heard = Heard()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heard.listen, deployment, mine)
        await heard.anything()
        gone = {"requestId": 5, "_meta": MODERN}
        ends = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": gone}
        url, headers = f"{deployment.origin}/mcp", modern_headers(ends) | bearer(other)
        await deployment.http.post(url, json=ends, headers=headers)
        same = Heard()
        with anyio.move_on_after(0.3):
            await same.listen(deployment, other)
        await rename(deployment, mine)
        await heard.update()
        tasks.cancel_scope.cancel()


LISTEN = modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": [URI]}}, 5)


class Heard:
    """What a caller hears on a stream."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = anyio.Event()

    async def listen(self, deployment: Deployment, token: str) -> None:
        """Hear of changes of the app, in the current era."""
        url, headers = f"{deployment.origin}/mcp", modern_headers(LISTEN) | bearer(token)
        async with deployment.http.stream("POST", url, json=LISTEN, headers=headers) as stream:
            await self._hear(stream)

    async def listen_in(self, way: Channel, token: str) -> None:
        """Hear what a session sends by itself, in the handshake era."""
        headers = way.headers | bearer(token)
        async with way.http.stream("GET", way.url, headers=headers) as stream:
            self._tell("open")
            await self._hear(stream)

    async def _hear(self, stream: httpx2.Response) -> None:
        async for line in stream.aiter_lines():
            if line.startswith("data: {"):
                self._tell(line)

    def _tell(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()
        self._news = anyio.Event()

    async def anything(self) -> None:
        with anyio.fail_after(20):
            while not self.lines:
                await self._news.wait()

    async def update(self) -> None:
        """Wait until the app is said to have changed."""
        with anyio.fail_after(20):
            while not any("resources/updated" in line and URI in line for line in self.lines):
                await self._news.wait()


async def rename(deployment: Deployment, token: str) -> None:
    """Change the app."""
    origin = deployment.origin
    async with channel(deployment.http, origin, ("http", "auto"), token) as way:
        changed = await way.call(token, "update_app", client_id=APP, client_name="Other")
        assert changed.tool_result["changes"]


async def test_another_caller_ends_no_subscription_of_the_handshake_era(
    deployment: Deployment, other: str
) -> None:
    mine, origin = await deployment.token(), deployment.origin
    heard, foreign_heard = Heard(), Heard()
    async with (
        channel(deployment.http, origin, ("http", "legacy"), mine) as way,
        channel(deployment.http, origin, ("http", "legacy"), other) as foreign,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(heard.listen_in, way, mine)
        tasks.start_soon(foreign_heard.listen_in, foreign, other)
        await heard.anything()
        await foreign_heard.anything()
        await way.ask(mine, "resources/subscribe", uri=URI)
        assert (await foreign.ask(other, "resources/unsubscribe", uri=URI)).result == {}
        message = request_of("resources/unsubscribe", {"uri": URI})
        refused = await way.send(other, message, way.headers)
        assert refused.response.status_code == 404
        await rename(deployment, mine)
        await heard.update()
        tasks.cancel_scope.cancel()
    assert foreign_heard.lines == ["open"]
