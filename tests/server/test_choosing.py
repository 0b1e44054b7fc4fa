"""Which tools a server offers, and what it tells of the others."""

import re

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from support import SERVER, answer, connected_to, offering, project_on

from connected_apps_mcp import settings
from connected_apps_mcp.app import build_server
from connected_apps_tools import CATALOGUE, DEFAULT_TOOLSETS, TOOLSETS, Effect
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.models import PageOfApps

NAMES = {tool.name for tool in CATALOGUE}


@pytest.mark.parametrize("toolset", list(filter(None, TOOLSETS)))
def test_a_toolset_alone_offers_its_tools_and_the_status(toolset: str) -> None:
    tools = {tool.name for tool in TOOLSETS[toolset]}
    assert offering(toolsets=[toolset]).on.keys() == tools | {"get_server_status"}


def test_by_default_all_but_organizations_are_on() -> None:
    off = {tool.name for tool in TOOLSETS["organizations"]}
    assert offering(toolsets=DEFAULT_TOOLSETS).on.keys() == NAMES - off


@pytest.mark.parametrize(
    ("globs", "names"),
    [
        (["get_app"], {"get_app"}),
        (["*_app"], {"create_app", "get_app", "update_app", "delete_app", "get_organization_app"}),
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
    ("choice", "told"),
    [
        ({"toolsets": ["app"]}, "unknown toolset app. Did you mean apps? Known are apps, rotation"),
        ({"toolsets": [""]}, "unknown toolset"),
        ({"tools": ["get_ap"]}, "unknown tool get_ap. Did you mean get_app? Known are create_app"),
        ({"tools": ["nothing_*"]}, "unknown tool nothing_"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(
    choice: dict[str, list[str]], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(told)):
        offering(**choice)


@pytest.mark.parametrize("wrong", [{"toolsets": "app"}, {"tools": "get_ap"}])
def test_the_settings_refuse_an_unknown_name(wrong: dict[str, str]) -> None:
    with pytest.raises(settings.SettingsError, match=r"--toolsets.*Did you mean.*Known are"):
        settings.load(sandbox=True, **wrong)


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"read_only": True}, "read-only"),
        ({"toolsets": ["review"]}, "toolset apps is off"),
        ({"tools": ["get_app"]}, "not among --tools"),
    ],
)
async def test_a_tool_that_is_off_is_neither_listed_nor_callable(
    choice: dict[str, object], why: str, sandbox: httpx2.ASGITransport
) -> None:
    async with (
        project_on(sandbox) as project,
        Client(build_server(project, offering(**choice))) as client,
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
    assert (
        status["tools_off"]["review_apps"]
        == "The toolset review is off (--toolsets or the policy)."
    )
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
