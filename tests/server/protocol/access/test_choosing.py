"""The tools that a server offers, and its errors for the others."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from support import SERVER, answer, connected_to, offering, project_on, refusal

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.settings import loading, settings
from connected_apps_tools import CATALOGUE, TOOLSETS, Effect, ProjectKind
from connected_apps_tools.api.models import CreateApp, PageOfApps
from connected_apps_tools.context import ServerInfo
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.selection import select_tools

NAMES = {tool.name for tool in CATALOGUE}
WITHOUT_DESTINATIONS = "deliver_client_secret"
"""The tool that is off where the policy names no destinations."""


@pytest.mark.parametrize("toolset", list(filter(None, TOOLSETS)))
def test_a_toolset_alone_offers_its_tools_and_the_status(toolset: str) -> None:
    tools = {tool.name for tool in TOOLSETS[toolset]}
    assert offering(toolsets=[toolset]).on.keys() == tools | {"get_server_status"}


@pytest.mark.parametrize(
    ("given", "off"),
    [
        ({"sandbox": True}, "organizations"),
        ({"sandbox": True, "sandbox_kind": "consumer"}, "organizations"),
        ({"sandbox": True, "sandbox_kind": "b2b"}, "grants"),
    ],
)
def test_by_default_what_another_kind_of_project_needs_is_off(
    given: dict[str, Any], off: str
) -> None:
    offer = select_tools(TOOLSETS, loading.read(**given).selection)
    others = [*TOOLSETS[off], *TOOLSETS["manifest"]]
    assert offer.off.keys() == {tool.name for tool in others} | {WITHOUT_DESTINATIONS}


@pytest.mark.parametrize(
    ("kind", "tool", "why"),
    [
        ("consumer", "list_member_grants", "This sandbox is a consumer project (--sandbox-kind)."),
        ("b2b", "list_user_grants", "This sandbox is a b2b project (--sandbox-kind)."),
    ],
)
def test_what_another_kind_of_project_needs_is_off_for_that_reason(
    kind: str, tool: str, why: str
) -> None:
    given = {"sandbox": True, "sandbox_kind": kind}
    assert select_tools(TOOLSETS, loading.read(**given).selection).off[tool] == why
    chosen = loading.read(**given, toolsets="apps")
    assert "--toolsets" in select_tools(TOOLSETS, chosen.selection).off[tool]


def test_by_default_all_but_apps_as_code_is_on_where_the_kind_of_project_is_not_known() -> None:
    offered = select_tools(TOOLSETS, loading.read().selection).on
    off = {tool.name for tool in TOOLSETS["manifest"]} | {WITHOUT_DESTINATIONS}
    assert offered.keys() == NAMES - off


def test_a_policy_without_toolsets_leaves_none_on(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("toolsets = []")
    assert loading.read(policy=str(policy)).selection.toolsets == ()


OFF = {"list_user_grants": "It is not in --tools.", "delete_app": "The server is read-only."}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Use search_apps.", ""),
        (
            "Use search_apps or delete_app.",
            (
                " delete_app cannot be used here. The server is read-only. "
                "Only the operator can change that."
            ),
        ),
    ],
)
def test_advice_says_which_of_its_tools_are_off_and_why(text: str, more: str) -> None:
    about = ServerInfo(tools_off=OFF)
    assert about.advice(text) == text + more
    assert about.advice(about.advice(text)) == text + more


@pytest.mark.parametrize(
    ("kind", "selection", "call", "off"),
    [
        (
            "consumer",
            {"toolsets": ["organizations"]},
            ("list_organization_apps", {"organization_id": "acme"}),
            "list_user_grants and revoke_user_grant cannot be used here. The toolset grants is off",
        ),
        (
            "b2b",
            {"toolsets": ["grants"]},
            ("list_user_grants", {"user_id": "ada"}),
            "revoke_member_grant cannot be used here. The toolset organizations is off",
        ),
        (
            "consumer",
            {"tools": ["get_app"]},
            ("get_app", {"client_id": "connected-app-test-1"}),
            "search_apps cannot be used here. It is not in --tools.",
        ),
    ],
)
async def test_a_hint_says_which_of_its_tools_are_off(
    kind: ProjectKind, selection: dict[str, Any], call: tuple[str, dict[str, Any]], off: str
) -> None:
    transport = httpx2.ASGITransport(create_sandbox(kind=kind))
    async with (
        project_on(transport) as project,
        Client(build_server(project, offering(**selection))) as client,
    ):
        assert off in refusal(await client.call_tool(*call))["hint"]


async def test_a_review_says_which_of_its_fixes_need_a_tool_that_is_off(
    sandbox: httpx2.ASGITransport,
) -> None:
    async with (
        project_on(sandbox) as project,
        Client(build_server(project, offering(read_only=True))) as client,
    ):
        await project.api.create(CreateApp(client_type="first_party", full_access_allowed=True))
        review = answer(await client.call_tool("review_apps", {}))
    assert "update_app and delete_app cannot be used here. The server is read" in review["note"]


@pytest.mark.parametrize(
    ("globs", "names"),
    [
        (["get_app"], {"get_app"}),
        (["*_organization_app", "*ate_app"], {"get_organization_app", "create_app", "update_app"}),
        (["get_app", "search_*"], {"get_app", "search_apps"}),
    ],
)
def test_globs_choose_single_tools(globs: list[str], names: set[str]) -> None:
    assert offering(tools=globs).on.keys() == names


def test_what_both_choose_is_on() -> None:
    assert offering(toolsets=["apps"], tools=["get_*"]).on.keys() == {
        "get_app",
        "get_server_status",
    }


def test_read_only_beats_both() -> None:
    offer = offering(read_only=True)
    assert all(tool.effect is Effect.READS for tool in offer.on.values())
    assert "reveal_client_secret" in offer.off
    with pytest.raises(InvalidRequest, match="no tool is left"):
        offering(tools=["create_app"], read_only=True)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (
            {"toolsets": ["app"]},
            "unknown toolset app. Did you mean apps? Known toolsets: apps, rotation",
        ),
        ({"toolsets": [""]}, "unknown toolset"),
        (
            {"tools": ["get_ap"]},
            "unknown tool get_ap. Did you mean get_app? Known tools: create_app",
        ),
        ({"tools": ["nothing_*"]}, "unknown tool nothing_"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(
    selection: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(message)):
        offering(**selection)


@pytest.mark.parametrize("wrong", [{"toolsets": "app"}, {"tools": "get_ap"}])
def test_the_settings_refuse_an_unknown_name(wrong: dict[str, str]) -> None:
    with pytest.raises(settings.SettingsError, match=r"--toolsets.*Did you mean.*Known t"):
        loading.load(sandbox=True, **wrong)


@pytest.mark.parametrize(
    ("selection", "why"),
    [
        ({"read_only": True}, "read-only"),
        ({"toolsets": ["review"]}, "toolset apps is off"),
        ({"tools": ["get_app"]}, "not in --tools"),
    ],
)
async def test_a_tool_that_is_off_is_neither_listed_nor_callable(
    selection: dict[str, object], why: str, sandbox: httpx2.ASGITransport
) -> None:
    async with (
        project_on(sandbox) as project,
        Client(build_server(project, offering(**selection))) as client,
    ):
        assert "create_app" not in {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(MCPError, match=why):
            await client.call_tool("create_app", {"client_type": "first_party"})
        assert (await project.api.search(PageOfApps())).connected_apps == []


async def test_the_status_tells_the_project_the_store_and_what_is_off() -> None:
    flags = ["--sandbox", "--toolsets", "apps", "--reveal", "never"]
    async with Client(
        StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *flags])
    ) as client:
        status = answer(await client.call_tool("get_server_status", {}))
    assert status["environment"] == "sandbox"
    assert status["project_id"].startswith("project-test-")
    assert status["service"] == "answers"
    assert status["secret_store"] == "file"
    why = "The toolset review is off (--toolsets or the policy)."
    assert status["tools_off"]["review_apps"] == why
    assert "create_app" not in status["tools_off"]


async def test_the_status_tells_that_the_service_fails_and_how() -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        body = {"error_type": "unauthorized_credentials", "error_message": "No."}
        return httpx2.Response(401, json=body)

    async with connected_to(fail) as client:
        assert answer(await client.call_tool("get_server_status", {}))["service"].startswith(
            "fails"
        )


async def test_the_status_asks_the_service_once_in_a_while() -> None:
    asked: list[httpx2.Request] = []

    def answer_it(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        found = {"connected_apps": [], "results_metadata": {"total": 0}}
        return httpx2.Response(200, json={"status_code": 200, "request_id": "r", **found})

    async with connected_to(answer_it) as client:
        for _ in range(3):
            await client.call_tool("get_server_status", {})
    assert len(asked) == 1
