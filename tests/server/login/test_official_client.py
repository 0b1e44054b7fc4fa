"""The official client logs in, stays logged in, and asks for more when it needs more."""

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from server.login.clocks import HOURS, Clock
from server.login.trying import status_of
from support import ERAS, answer

from connected_apps_mcp.commands.demos.person import Person, http_client


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_logs_in_and_reads(url: str, era: str) -> None:
    person = Person()
    async with person.client(url, mode=era) as client:
        found = answer(await client.call_tool("search_apps", {}))
    assert found["apps"]
    assert person.asked == [{"apps:read", "apps:write", "grants:read", "offline_access"}]


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_refreshes_an_expired_token(
    url: str, era: str, clock: Clock, http: httpx2.AsyncClient
) -> None:
    person = Person()
    login = person.credentials(url)
    async with (
        http_client(auth=login) as authorized,
        Client(streamable_http_client(url, http_client=authorized), mode=era) as client,
    ):
        await client.list_tools()
        before = person.memory.tokens
        assert before
        assert login.context.token_expiry_time
        clock.move(2 * HOURS)
        login.context.token_expiry_time -= 2 * HOURS  # the clock of the client
        assert await status_of(http, url, before.access_token) == 401
        answer(await client.call_tool("search_apps", {}))
    after = person.memory.tokens
    assert after
    assert after.access_token != before.access_token
    assert after.refresh_token != before.refresh_token
    assert len(person.asked) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_asks_for_more_when_a_call_needs_it(url: str, era: str) -> None:
    person = Person()
    async with person.client(url, mode=era, elicitation_callback=person.confirm) as client:
        created = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
        client_id = created["app"]["client_id"]
        deleted = answer(await client.call_tool("delete_app", {"client_id": client_id}))
    assert deleted["deleted"]
    assert "apps:delete" not in person.asked[0]
    assert "apps:delete" in person.asked[1]
