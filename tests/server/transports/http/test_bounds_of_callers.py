"""What one caller with a token can keep open, however many sessions and connections it has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from mcp import Client, MCPError
from server.protocol.access.test_rate_limits import being, connected
from server.transports.http.test_overload import ACCEPT, INITIALIZE, limited, url_of
from support import SHOWN_APP, answer, project_on

from connected_apps_mcp import limits
from connected_apps_mcp.commands.demos.person import Person
from connected_apps_mcp.protocol.server import AnyServer, build_server
from connected_apps_mcp.transports.http import in_flight
from connected_apps_mcp.transports.http.in_flight import CallsInFlight

AUTH = ["--auth", "sandbox", "--transport", "http"]


@asynccontextmanager
async def logged_in(url: str, client_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Raw requests of a client that a person has logged in with."""
    person = Person(client_name=client_name)
    async with person.client(url):
        pass
    assert person.memory.tokens
    bearer = {"authorization": f"Bearer {person.memory.tokens.access_token}"}
    async with httpx2.AsyncClient(headers=ACCEPT | bearer, trust_env=False, timeout=20) as raw:
        yield raw


async def test_one_more_session_of_a_caller_is_refused() -> None:
    with limited(*AUTH, MAX_SESSIONS_OF_CALLER=1) as process:
        url = url_of(process)
        async with logged_in(url, "anna") as anna, logged_in(url, "ben") as ben:
            statuses = [
                (await caller.post(url, json=INITIALIZE)).status_code
                for caller in (anna, anna, ben)
            ]
    assert statuses == [200, 503, 200]


async def test_an_ended_session_of_a_caller_makes_room() -> None:
    with limited(*AUTH, MAX_SESSIONS_OF_CALLER=1) as process:
        url = url_of(process)
        async with logged_in(url, "anna") as anna:
            begun = await anna.post(url, json=INITIALIZE)
            session = {"mcp-session-id": begun.headers["mcp-session-id"]}
            await anna.delete(url, headers=session)
            assert (await anna.post(url, json=INITIALIZE)).status_code == 200


async def test_one_more_stream_of_a_caller_is_refused() -> None:
    with limited(*AUTH[:-1], "http,sse", MAX_STREAMS_OF_CALLER=1) as process:
        url, sse = url_of(process), url_of(process)
        async with (
            logged_in(url, "anna") as anna,
            logged_in(url, "ben") as ben,
            anna.stream("GET", sse) as one,
            anna.stream("GET", sse) as other,
            ben.stream("GET", sse) as of_ben,
        ):
            statuses = [one.status_code, other.status_code, of_ben.status_code]
    assert statuses == [200, 503, 200]


async def test_an_ended_stream_of_a_caller_makes_room() -> None:
    with limited(*AUTH[:-1], "http,sse", MAX_STREAMS_OF_CALLER=1) as process:
        url, sse = url_of(process), url_of(process)
        async with logged_in(url, "anna") as anna:
            async with anna.stream("GET", sse) as one:
                assert one.status_code == 200
            with anyio.fail_after(20):
                while True:
                    async with anna.stream("GET", sse) as other:
                        if other.status_code == 200:
                            break


def test_one_caller_leaves_connections_for_others() -> None:
    assert limits.MAX_CALLS_OF_CALLER + limits.MAX_STREAMS_OF_CALLER < limits.MAX_CONNECTIONS


@asynccontextmanager
async def hanging(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[AnyServer, anyio.Event]]:
    """A server with room for one call of each caller; the service answers after the event."""
    monkeypatch.setattr(in_flight, "MAX_CALLS_OF_CALLER", 1)
    go_on = anyio.Event()

    async def service(_request: httpx2.Request) -> httpx2.Response:
        await go_on.wait()
        return httpx2.Response(
            200, json={"status_code": 200, "request_id": "r", "connected_app": SHOWN_APP}
        )

    async with project_on(httpx2.MockTransport(service)) as project:
        server = build_server(project)
        server.middleware.append(CallsInFlight())
        yield server, go_on


async def call(client: Client, subject: str) -> None:
    with being(subject):
        answer(await client.call_tool("get_app", {"client_id": "app"}))


async def test_a_caller_with_too_many_calls_in_flight_is_refused_in_every_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        hanging(monkeypatch) as (server, go_on),
        connected(server, "anna") as one,
        connected(server, "anna") as other,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(call, one, "anna")
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(MCPError, match="Too many requests are in flight"):
            await call(other, "anna")
        go_on.set()


async def test_calls_in_flight_of_one_caller_do_not_count_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        hanging(monkeypatch) as (server, go_on),
        connected(server, "anna") as anna,
        connected(server, "ben") as ben,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(call, anna, "anna")
        tasks.start_soon(call, ben, "ben")
        await anyio.wait_all_tasks_blocked()
        go_on.set()
