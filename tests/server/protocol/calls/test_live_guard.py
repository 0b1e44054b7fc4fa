"""A live project is announced, and only read unless its operator allows more."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from server.audit.logs import lines_of
from server.people import A, B, Person
from support import ERAS, SERVER, answer, refusal, serving

from connected_apps_mcp.sandbox import SandboxCredentials, create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools import CATALOGUE

APP = "connected-app-live-mine"
PROJECT = "project-live-00000000-0000-0000-0000-000000000001"
SECRET = "secret-live-canary-Zx81kQ0pLm27"
ALLOW = "--allow-live-writes"
WRITING = {tool.name for tool in CATALOGUE if tool.effect.changes}


@pytest.fixture
def service() -> Iterator[str]:
    """The URL of a stand-in for the live service, with an app that a user has authorised."""
    sandbox = create_sandbox(SandboxCredentials(PROJECT, SECRET))
    app = {"client_id": APP, "client_type": "first_party", "redirect_urls": [A]}
    user = {"external_id": "bob", "grants": [{"client_id": APP, "scopes": ["openid"]}]}
    seed(sandbox, Seed.model_validate({"apps": [app], "users": [user]}))
    with serving(sandbox) as url:
        yield url


@pytest.fixture
def flags(service: str, tmp_path: Path) -> list[str]:
    """The flags of a server of the live project, which keeps what it keeps in a folder."""
    kept = ["--data-dir", str(tmp_path), "--secret-store", "file"]
    return ["--base-url", service, "--toolsets", "apps,rotation,grants", *kept]


@asynccontextmanager
async def serve(
    flags: list[str], person: Person | None = None, era: str = "auto", **environment: str
) -> AsyncIterator[Client]:
    """A client of a server process with these flags."""
    env = {"STYTCH_PROJECT_ID": PROJECT, "STYTCH_SECRET": SECRET, **environment}
    parameters = StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *flags], env=env)
    answers: Any = person
    async with Client(parameters, mode=era, elicitation_callback=answers) as client:
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_a_live_project_is_announced_and_only_read(flags: list[str], era: str) -> None:
    async with serve(flags, era=era) as client:
        assert f"This is the live project {PROJECT}" in str(client.instructions)
        status = answer(await client.call_tool("get_server_status", {}))
        listed = {tool.name for tool in (await client.list_tools()).tools}
        app = answer(await client.call_tool("get_app", {"client_id": APP}))
    assert (status["environment"], status["project_id"]) == ("live", PROJECT)
    off = {name: why for name, why in status["tools_off"].items() if ALLOW in why}
    assert set(off) == WRITING
    assert not listed & WRITING
    assert "live_project" not in app


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_would_write_explains_and_nothing_is_changed(
    flags: list[str], era: str, tmp_path: Path
) -> None:
    async with serve(flags, Person(), era) as client:
        for tool in sorted(WRITING):
            with pytest.raises(MCPError, match=f"project is live.*{ALLOW}"):
                await client.call_tool(tool, {"client_id": APP})
        shown = answer(await client.call_tool("get_app", {"client_id": APP}))["app"]
    assert shown["redirect_urls"] == [A]
    refused = [line["tool"] for line in lines_of(tmp_path / "audit") if line["event"] == "refusal"]
    assert refused == sorted(WRITING)


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("create_app", {"client_type": "third_party"}),
    ("update_app", {"client_id": APP, "client_name": "New"}),
    ("update_app", {"client_id": APP, "add_redirect_urls": [B]}),
    ("start_secret_rotation", {"client_id": APP}),
    ("cancel_secret_rotation", {"client_id": APP}),
    ("start_secret_rotation", {"client_id": APP}),
    ("complete_secret_rotation", {"client_id": APP}),
    ("revoke_user_grant", {"user_id": "bob", "client_id": APP}),
    ("delete_app", {"client_id": APP}),
]


@pytest.mark.parametrize("era", ERAS)
async def test_where_it_is_allowed_every_answer_that_changed_something_names_the_project(
    flags: list[str], era: str
) -> None:
    person = Person()
    async with serve([*flags, ALLOW], person, era) as client:
        answers = [answer(await client.call_tool(*change)) for change in CHANGES]
        read = answer(await client.call_tool("search_apps", {}))
        status = answer(await client.call_tool("get_server_status", {}))
    assert [result.get("live_project") for result in answers] == [PROJECT] * len(CHANGES)
    assert "live_project" not in read
    assert not [why for why in status["tools_off"].values() if ALLOW in why]
    assert len(person.questions) == 4
    assert all(f"Project: {PROJECT} (live)" in question for question in person.questions)


async def test_it_may_be_allowed_by_a_variable(flags: list[str]) -> None:
    async with serve(flags, CONNECTED_APPS_MCP_ALLOW_LIVE_WRITES="true") as client:
        changed = answer(
            await client.call_tool("update_app", {"client_id": APP, "client_name": "New"})
        )
    assert changed["changes"] == {"client_name": {"after": "New"}}


@pytest.mark.parametrize("era", ERAS)
async def test_on_a_live_project_a_client_that_cannot_ask_is_refused_with_the_way_out(
    flags: list[str], era: str
) -> None:
    async with serve([*flags, ALLOW], era=era) as client:
        result = refusal(await client.call_tool("delete_app", {"client_id": APP}))
        answer(await client.call_tool("update_app", {"client_id": APP, "client_name": "New"}))
        answer(await client.call_tool("get_app", {"client_id": APP}))
    assert result["error"] == "NotConfirmed"
    assert "connected-apps-mcp approve" in result["hint"]


async def test_a_test_project_is_neither_announced_nor_guarded(tmp_path: Path) -> None:
    flags = ["--sandbox", "--data-dir", str(tmp_path)]
    async with serve(flags) as client:
        assert "live" not in str(client.instructions)
        created = answer(await client.call_tool("create_app", {"client_type": "third_party"}))
    assert "live_project" not in created
