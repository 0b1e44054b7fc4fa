"""The official TypeScript client logs in, stays logged in, and asks for more when it needs more."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from server.login.clocks import HOURS, Clock
from server.login.nodes import Program, program
from server.login.trying import status_of
from support import ERAS

from connected_apps_mcp.commands.demos.person import Person

VERSIONS = {"legacy": "2025-11-25", "auto": "2026-07-28"}


class TypeScriptClient:
    """The client, with the person who uses it."""

    def __init__(self, running: Program) -> None:
        self._running = running
        self.person = Person()

    async def ask(self, **message: Any) -> dict[str, Any]:
        """What the client answers once the person has consented to all that it asks for."""
        answer = self._running.ask(message)
        while "open" in answer:
            await self.person.open_browser(answer["open"])
            came_back = await self.person.come_back()
            answer = self._running.ask(came_back.model_dump(exclude_none=True))
        assert "error" not in answer, answer
        return answer

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The structured result of a tool."""
        result = (await self.ask(call=name, arguments=arguments))["result"]
        assert not result.get("isError"), result
        found: dict[str, Any] = result["structuredContent"]
        return found


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(url: str, era: str) -> Iterator[TypeScriptClient]:
    with program("mcp_client.mjs", url, era) as running:
        yield TypeScriptClient(running)


async def test_it_logs_in_with_nothing_but_consent(client: TypeScriptClient, era: str) -> None:
    listed = await client.ask(list=True)
    assert listed["version"] == VERSIONS[era]
    assert {"search_apps", "delete_app"} <= {tool["name"] for tool in listed["result"]["tools"]}
    assert client.person.asked == [{"apps:read", "apps:write", "grants:read", "offline_access"}]


async def test_it_calls_a_tool(client: TypeScriptClient) -> None:
    assert (await client.call("search_apps"))["apps"]


async def test_it_refreshes_an_expired_token(
    client: TypeScriptClient, url: str, clock: Clock, http: httpx2.AsyncClient
) -> None:
    before = (await client.ask(list=True))["tokens"]
    clock.move(2 * HOURS)
    assert await status_of(http, url, before["access_token"]) == 401
    after = (await client.ask(call="search_apps", arguments={}))["tokens"]
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert len(client.person.asked) == 1


async def test_it_asks_for_more_when_a_call_needs_it(client: TypeScriptClient) -> None:
    created = await client.call("create_app", client_type="first_party")
    deleted = await client.call("delete_app", client_id=created["app"]["client_id"])
    assert deleted["deleted"]
    assert "apps:delete" not in client.person.asked[0]
    assert "apps:delete" in client.person.asked[1]
