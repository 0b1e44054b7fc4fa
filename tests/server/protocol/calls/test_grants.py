"""Grants through the server, on sandboxes of both kinds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from support import answer, project_on, refusal

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import ProjectKind, create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed

CALENDAR = "connected-app-test-calendar"
GRANTS = [{"client_id": CALENDAR, "scopes": ["openid", "offline_access"]}]
APP = {
    "client_id": CALENDAR,
    "client_type": "third_party",
    "client_name": "Cal\u200bendar",
    "client_description": "Copies meetings",
}
USER = {"user_id": "user-test-ada", "external_id": "ada", "grants": GRANTS}
MEMBER = {"member_id": "member-test-grace", "external_id": "grace", "grants": GRANTS}
ACME = {"organization_id": "organization-test-acme", "slug": "acme", "members": [MEMBER]}
PLANS: dict[ProjectKind, dict[str, Any]] = {
    "consumer": {"apps": [APP], "users": [USER]},
    "b2b": {"apps": [APP], "organizations": [ACME]},
}


@asynccontextmanager
async def connected_to(kind: ProjectKind) -> AsyncIterator[Client]:
    sandbox = create_sandbox(kind=kind)
    seed(sandbox, Seed.model_validate(PLANS[kind]))
    async with (
        project_on(httpx2.ASGITransport(sandbox)) as project,
        Client(build_server(project)) as client,
    ):
        yield client


CALLS: list[tuple[ProjectKind, str, dict[str, str]]] = [
    ("consumer", "list_user_grants", {"user_id": "user-test-ada"}),
    ("consumer", "list_user_grants", {"user_id": "ada"}),
    ("b2b", "list_member_grants", {"organization_id": "acme", "member_id": "grace"}),
    (
        "b2b",
        "list_member_grants",
        {"organization_id": "organization-test-acme", "member_id": "member-test-grace"},
    ),
]


@pytest.mark.parametrize(("kind", "tool", "arguments"), CALLS)
async def test_grants_are_listed_with_their_scopes_as_a_list(
    kind: ProjectKind, tool: str, arguments: dict[str, str]
) -> None:
    async with connected_to(kind) as client:
        result = answer(await client.call_tool(tool, arguments))
    assert result["apps"] == [
        {
            "client_id": CALENDAR,
            "client_name": "Calendar",
            "client_description": "Copies meetings",
            "client_type": "third_party",
            "scopes": ["openid", "offline_access"],
        }
    ]
    assert result["untrusted"] == ["client_name", "client_description", "logo_url", "scopes"]


@pytest.mark.parametrize(
    ("kind", "lists", "revokes", "holder"),
    [
        ("consumer", "list_user_grants", "revoke_user_grant", {"user_id": "ada"}),
        (
            "b2b",
            "list_member_grants",
            "revoke_member_grant",
            {"organization_id": "acme", "member_id": "grace"},
        ),
    ],
)
async def test_a_revoked_grant_is_gone(
    kind: ProjectKind, lists: str, revokes: str, holder: dict[str, str]
) -> None:
    async with connected_to(kind) as client:
        arguments = {**holder, "client_id": CALENDAR}
        result = answer(await client.call_tool(revokes, arguments))
        assert result == {"revoked": True, "client_id": CALENDAR}
        assert answer(await client.call_tool(lists, holder))["apps"] == []


async def test_an_organizations_apps_are_listed() -> None:
    async with connected_to("b2b") as client:
        result = answer(
            await client.call_tool("list_organization_apps", {"organization_id": "acme"})
        )
    assert [app["client_id"] for app in result["apps"]] == [CALENDAR]
    assert "scopes" not in result["apps"][0]


async def test_an_organizations_app_tells_who_authorised_it_and_for_what() -> None:
    async with connected_to("b2b") as client:
        arguments = {"organization_id": "acme", "client_id": CALENDAR}
        result = answer(await client.call_tool("get_organization_app", arguments))
    assert result["app"]["client_name"] == "Calendar"
    assert result["active_members"] == [
        {"member_id": "member-test-grace", "scopes": ["openid", "offline_access"]}
    ]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_organization_apps", {"organization_id": "acme"}),
        ("get_organization_app", {"organization_id": "acme", "client_id": CALENDAR}),
        ("list_member_grants", {"organization_id": "acme", "member_id": "grace"}),
    ],
)
async def test_on_a_consumer_project_the_right_tool_is_named(
    tool: str, arguments: dict[str, str]
) -> None:
    async with connected_to("consumer") as client:
        result = refusal(await client.call_tool(tool, arguments))
    assert result["error"] == "invalid_b2b_endpoint"
    assert "list_user_grants" in result["hint"]


async def test_on_a_b2b_project_the_right_tool_is_named() -> None:
    async with connected_to("b2b") as client:
        result = refusal(await client.call_tool("list_user_grants", {"user_id": "ada"}))
    assert "list_member_grants" in result["hint"]


async def test_an_unknown_user_is_said_to_be_unknown() -> None:
    async with connected_to("consumer") as client:
        result = refusal(await client.call_tool("list_user_grants", {"user_id": "nobody"}))
    assert result["error"] == "user_not_found"
    assert "external id" in result["hint"]


@pytest.mark.parametrize("user_id", ["", ".", "..", "a/b", "a?b", "%2e", "a b", "x" * 256])
async def test_an_unsafe_id_is_refused(user_id: str) -> None:
    async with connected_to("consumer") as client:
        result = refusal(await client.call_tool("list_user_grants", {"user_id": user_id}))
    assert result["error"] == "InvalidRequest"
    assert result["message"].startswith("user_id: ")
