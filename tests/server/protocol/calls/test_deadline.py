"""One deadline holds for a whole call of a tool, however many requests it makes."""

import itertools
import math
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import TaskStatus
from examples import APP
from mcp import Client, StdioServerParameters, types
from server.people import YES, Person, Wire, asking
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import REAL, SHOWN_APP, answer, project_on, refusal, serving

from connected_apps_mcp.protocol.server import build_server
from connected_apps_tools import ToolContext
from connected_apps_tools.deadline import seconds_left
from connected_apps_tools.secrets.lifecycle import ROTATION_LOCK_SECONDS


class Endless:
    """A service with ever new pages of apps, each after a moment."""

    def __init__(self, cursors: Any, *, apps: int = 1, seconds: float = 0.0) -> None:
        self.cursors = iter(cursors)
        self.apps = apps
        self.seconds = seconds
        self.pages = 0

    async def handle(self, _request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep(self.seconds)
        return httpx2.Response(200, json=self.page())

    def page(self) -> dict[str, Any]:
        self.pages += 1
        page = [{**SHOWN_APP, "client_id": f"app-{self.pages}-{n}"} for n in range(self.apps)]
        more = {"total": -1, "next_cursor": next(self.cursors)}
        return {
            "status_code": 200,
            "request_id": "r",
            "connected_apps": page,
            "results_metadata": more,
        }


def new_cursors() -> Any:
    return map(str, itertools.count())


WALKS: list[tuple[str, dict[str, Any]]] = [
    ("search_apps", {"query": "nothing fits", "max_scanned": 1_000_000}),
    ("review_apps", {"max_scanned": 1_000_000}),
]


@pytest.mark.parametrize(("tool", "arguments"), WALKS)
async def test_a_walk_ends_at_an_empty_page_and_says_so(
    tool: str, arguments: dict[str, Any]
) -> None:
    service = Endless(new_cursors(), apps=0)
    async with (
        project_on(httpx2.MockTransport(service.handle)) as project,
        Client(build_server(project)) as client,
    ):
        found = answer(await client.call_tool(tool, arguments))
    assert found["stopped"] == "empty_page"
    assert service.pages == 1


@pytest.mark.parametrize("length", [1, 3, 7])
@pytest.mark.parametrize(("tool", "arguments"), WALKS)
async def test_a_walk_in_a_circle_ends_and_says_so(
    tool: str, arguments: dict[str, Any], length: int
) -> None:
    service = Endless(itertools.cycle(map(str, range(length))))
    async with (
        project_on(httpx2.MockTransport(service.handle)) as project,
        Client(build_server(project)) as client,
    ):
        found = answer(await client.call_tool(tool, arguments))
    assert found["stopped"] == "cycle"
    assert "next_cursor" not in found
    assert service.pages <= 4 * length + 1


@pytest.mark.parametrize(("tool", "arguments"), WALKS)
async def test_a_walk_ends_with_the_deadline_and_answers_what_it_has(
    tool: str, arguments: dict[str, Any]
) -> None:
    service = Endless(new_cursors(), seconds=0.02)
    async with (
        project_on(httpx2.MockTransport(service.handle), deadline=0.2) as project,
        Client(build_server(project)) as client,
    ):
        found = answer(await client.call_tool(tool, arguments))
    assert found["stopped"] == "deadline"
    assert 0 < found["scanned"] <= service.pages <= 11


async def test_a_search_goes_on_where_the_deadline_ended_it() -> None:
    service = Endless(new_cursors(), seconds=0.02)
    arguments = {"query": "nothing fits", "max_scanned": 1_000_000}
    async with (
        project_on(httpx2.MockTransport(service.handle), deadline=0.1) as project,
        Client(build_server(project)) as client,
    ):
        first = answer(await client.call_tool("search_apps", arguments))
        arguments["cursor"] = first["next_cursor"]
        second = answer(await client.call_tool("search_apps", arguments))
    assert [first["stopped"], second["stopped"]] == ["deadline", "deadline"]


class Slow(Wire):
    """A sandbox in which every answer takes a while."""

    seconds = 0.12

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep(self.seconds)
        return await super().handle_async_request(request)


async def test_the_requests_of_a_change_share_the_deadline() -> None:
    async with asking(Slow(), None, deadline=0.2) as (client, _):
        result = refusal(
            await client.call_tool("update_app", {"client_id": APP, "client_name": "N"})
        )
    assert result["error"] in {"NoAnswer", "NotSent"}
    assert "within 0.2 seconds" in result["message"]


async def test_a_look_for_what_became_of_a_create_has_one_deadline_more() -> None:
    pages = Endless(new_cursors(), seconds=0.3)

    async def handle(request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/search"):
            await anyio.sleep(20)
        return await pages.handle(request)

    async with (
        project_on(httpx2.MockTransport(handle), deadline=0.5) as project,
        Client(build_server(project)) as client,
    ):
        with anyio.fail_after(5):
            result = refusal(await client.call_tool("create_app", {"client_type": "third_party"}))
    assert result["may_have_taken_effect"]
    assert pages.pages <= 2


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_the_time_in_which_a_person_is_asked_does_not_count(era: str) -> None:
    async def think() -> types.ElicitResult:
        await anyio.sleep(1.2)
        return YES

    wire = Wire()
    async with asking(wire, Person(think), era, deadline=1.0) as (client, _):
        answer(await client.call_tool("delete_app", {"client_id": APP}))
    assert wire.writes


async def hold_the_lock(project: ToolContext, *, task_status: TaskStatus[None]) -> None:
    async with project.app_locks.hold(APP):
        task_status.started()
        await anyio.sleep_forever()


async def test_changes_that_wait_for_the_lock_wait_no_longer_than_the_deadline() -> None:
    rename = ("update_app", {"client_id": APP, "client_name": "N"})
    async with (
        asking(Wire(), None, deadline=0.2) as (client, project),
        anyio.create_task_group() as tasks,
    ):
        await tasks.start(hold_the_lock, project)
        result = refusal(await client.call_tool(*rename))
        tasks.cancel_scope.cancel()
    assert result["error"] == "NotSent"
    assert result["retry_may_help"]


async def test_a_rotation_that_waits_for_another_waits_no_longer_than_the_deadline() -> None:
    async with asking(Wire(), None, deadline=0.2) as (client, project):
        with await project.secrets.rotation_lock(), anyio.fail_after(ROTATION_LOCK_SECONDS / 2):
            started = await client.call_tool("start_secret_rotation", {"client_id": APP})
    result = refusal(started)
    assert "another rotation has not ended" in result["message"]
    assert result["retry_may_help"]


class Clocked(Wire):
    """A wire that records how much time each request has (seconds)."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[float] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.left.append(seconds_left())
        return await super().handle_async_request(request)


async def test_the_search_for_the_app_that_was_meant_shares_the_deadline() -> None:
    wire = Clocked()
    async with asking(wire, None) as (client, _):
        result = refusal(await client.call_tool("delete_app", {"client_id": f"{APP}x"}))
    assert f"Did you mean {APP}?" in result["hint"]
    assert len(wire.left) == 2
    assert all(map(math.isfinite, wire.left))


async def test_a_real_server_sends_no_more_than_its_deadline_allows(tmp_path: Path) -> None:
    service = Endless(new_cursors())

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await anyio.sleep(0.05)
        await JSONResponse(service.page())(scope, receive, send)

    with serving(upstream) as url:
        arguments = ["-P", "-m", "connected_apps_mcp", "--base-url", url, "--deadline", "1"]
        server = StdioServerParameters(
            command=sys.executable,
            args=[*arguments, "--secret-store", "none", "--data-dir", str(tmp_path)],
            env=REAL,
        )
        async with Client(server) as client:
            result = await client.call_tool(*WALKS[0])
            pages = service.pages
            await client.call_tool("get_server_status", {})
    assert answer(result)["stopped"] == "deadline"
    assert pages <= 21
    assert service.pages <= pages + 2  # one that was under way, and the status
