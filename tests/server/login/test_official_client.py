"""The official client logs in, stays logged in, and asks for more when it needs more."""

from collections.abc import Iterator

import pytest
from support import ERAS, answer, listening

from connected_apps_mcp.commands.demo_person import Person


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening("--transport", "http,sse", "--sandbox", "--auth", "sandbox") as urls:
        yield urls["http"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_logs_in_and_reads(url: str, era: str) -> None:
    person = Person()
    async with person.client(url, mode=era) as client:
        found = answer(await client.call_tool("search_apps", {}))
    assert found["apps"]
    assert person.asked == [{"apps:read", "apps:write", "grants:read", "offline_access"}]


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
