"""What the rules of the policy forbid a caller over HTTP is neither listed nor run."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError
from support import ERAS, answer, listening, refusal

from connected_apps_mcp.commands.demos.person import Person

RULES = """
[[callers]]
match = { groups = ["unused"] }
toolsets = []

[[callers]]
toolsets = ["apps", "rotation"]
reveal = "never"
max_scopes = ["apps:read", "apps:write", "secrets:rotate"]
[callers.protected_apps]
names = ["Billing"]
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    policy: Path = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write_text(RULES)
    flags = ["--transport", "http", "--sandbox", "--auth", "sandbox", "--policy", str(policy)]
    with listening(*flags) as urls:
        yield urls["http"]


@asynccontextmanager
async def logged_in(url: str, era: str) -> AsyncIterator[Client]:
    async with Person().client(url, mode=era) as client:
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_a_tool_is_listed_exactly_if_a_rule_leaves_it(url: str, era: str) -> None:
    async with logged_in(url, era) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {"get_app", "search_apps", "create_app", "update_app", "start_secret_rotation"} <= set(
        listed
    )
    assert not set(listed) & {
        "delete_app",
        "reveal_client_secret",
        "review_apps",
        "list_user_grants",
    }
    assert "reveal_secret" not in listed["create_app"].input_schema["properties"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", ["delete_app", "reveal_client_secret", "review_apps"])
async def test_a_tool_that_is_not_listed_does_not_run(url: str, era: str, tool: str) -> None:
    async with logged_in(url, era) as client:
        with pytest.raises(MCPError):
            await client.call_tool(tool, {"client_id": "connected-app-test-1"})


@pytest.mark.parametrize("era", ERAS)
async def test_a_secret_is_not_shown_to_a_caller_who_may_never_see_one(url: str, era: str) -> None:
    async with logged_in(url, era) as client:
        with pytest.raises(MCPError):
            await client.call_tool(
                "create_app", {"client_type": "third_party", "reveal_secret": True}
            )


@pytest.mark.parametrize("era", ERAS)
async def test_an_app_is_protected_from_a_caller(url: str, era: str) -> None:
    new = {"client_type": "third_party_public", "client_name": "Billing"}
    async with logged_in(url, era) as client:
        client_id = answer(await client.call_tool("create_app", new))["app"]["client_id"]
        change = {"client_id": client_id, "client_name": "Other"}
        assert refusal(await client.call_tool("update_app", change))["error"] == "PolicyRefusal"
