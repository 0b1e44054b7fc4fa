"""The policy in force: every tool that changes something is held to it, and so are the settings."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner
from examples import EXAMPLES
from mcp import Client
from starlette.types import Receive, Scope, Send
from support import ERAS, EVERY_SETTING, answer, project_on, refusal

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config
from connected_apps_mcp.wiring import open_project
from connected_apps_tools import CATALOGUE, DEFAULT_TOOLSETS, ToolContext
from connected_apps_tools.catalogue.types.app_results import CreatedApp
from connected_apps_tools.safety.policy import Policy

GOOD, BAD = "https://app.corp.example/cb", "https://evil.example/cb"


class Wire:
    """The sandbox, and what reached it."""

    def __init__(self) -> None:
        self.sandbox = create_sandbox()
        self.calls: list[str] = []
        self.alias = ("", "")
        """A spelling of an id that it takes for another one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append(f"{scope['method']} {scope['path']}")
        if self.alias[0]:
            scope = {**scope, "path": scope["path"].replace(*self.alias)}
        await self.sandbox(scope, receive, send)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def free(wire: Wire) -> AsyncIterator[ToolContext]:
    """The project without a policy."""
    async with project_on(httpx2.ASGITransport(wire)) as project:
        yield project


def under(project: ToolContext, mode: Any = "auto", **rules: Any) -> Client:
    """A client of the project under a policy."""
    return Client(build_server(replace(project, policy=Policy.model_validate(rules))), mode=mode)


async def create(project: ToolContext, **settings: Any) -> str:
    async with under(project) as client:
        arguments = {"client_type": "first_party", **settings}
        created = answer(await client.call_tool("create_app", arguments))
        return str(created["app"]["client_id"])


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_an_app_that_breaks_a_rule_is_not_created(
    free: ToolContext, wire: Wire, mode: str, dry_run: bool
) -> None:
    async with under(free, mode, redirect_hosts=["app.corp.example"]) as client:
        arguments = {"client_type": "first_party", "redirect_urls": [GOOD, BAD], "dry_run": dry_run}
        result = refusal(await client.call_tool("create_app", arguments))
    assert result["error"] == "PolicyRefusal"
    assert result["message"] == (
        "policy redirect_hosts: evil.example is not allowed (redirect_urls)"
    )
    assert "Nothing was sent" in result["hint"]
    assert wire.calls == []


async def test_an_app_that_breaks_no_rule_is_created(free: ToolContext) -> None:
    rules = {"redirect_hosts": ["*.corp.example"], "client_types": ["third_party"]}
    async with under(free, **rules) as client:
        arguments = {"client_type": "third_party", "redirect_urls": [GOOD]}
        assert answer(await client.call_tool("create_app", arguments))["app"]["client_id"]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    "change", [{"redirect_urls": [BAD]}, {"add_redirect_urls": [BAD]}, {"client_name": "Other"}]
)
async def test_an_update_that_results_in_a_breach_is_refused(
    free: ToolContext, wire: Wire, change: dict[str, Any], dry_run: bool
) -> None:
    app = await create(free, redirect_urls=[GOOD, "https://old.example/"])
    wire.calls.clear()
    async with under(free, redirect_hosts=["*.corp.example"]) as client:
        arguments = {"client_id": app, **change, "dry_run": dry_run}
        result = refusal(await client.call_tool("update_app", arguments))
    assert result["error"] == "PolicyRefusal"
    assert [call.split()[0] for call in wire.calls] == ["GET"]


async def test_an_app_that_breaks_a_rule_can_be_mended_step_by_step(free: ToolContext) -> None:
    old = ["https://one.example/", "https://two.example/"]
    app = await create(free, redirect_urls=[GOOD, *old])
    async with under(free, redirect_hosts=["*.corp.example"]) as client:
        for url in old:
            arguments = {"client_id": app, "remove_redirect_urls": [url]}
            answer(await client.call_tool("update_app", arguments))
        renamed = {"client_id": app, "client_name": "Other"}
        changed = answer(await client.call_tool("update_app", renamed))
    assert changed["changes"] == {"client_name": {"after": "Other"}}


BY_ITS_PARTS = "apply_manifest"
"""It changes apps by calls of other tools."""

TOUCHING = [tool for tool in CATALOGUE if tool.touches]


def test_every_tool_that_changes_an_app_says_which_one() -> None:
    changing = {tool.name for tool in CATALOGUE if tool.effect.changes}
    creating = {tool.name for tool in CATALOGUE if tool.result is CreatedApp}
    assert {tool.name for tool in TOUCHING} == changing - creating - {BY_ITS_PARTS}


def arguments_of(tool: Any, app: str) -> dict[str, Any]:
    """The example call of a tool, about this app."""
    return EXAMPLES[tool.name].arguments | {tool.touches: app}


@pytest.mark.parametrize("tool", TOUCHING, ids=lambda tool: tool.name)
async def test_another_spelling_of_an_id_reaches_no_app(
    free: ToolContext, wire: Wire, tool: Any
) -> None:
    app = await create(free, client_name="Billing")
    wire.alias = (app.upper(), app)
    wire.calls.clear()
    async with under(free, protected_apps={"client_ids": ["connected-app-test-x"]}) as client:
        refusal(await client.call_tool(tool.name, arguments_of(tool, app.upper())))
    assert {call.split()[0] for call in wire.calls} <= {"GET"}


@pytest.mark.parametrize("tool", TOUCHING, ids=lambda tool: tool.name)
@pytest.mark.parametrize("by", ["client_ids", "names"])
async def test_a_protected_app_is_neither_changed_nor_deleted(
    free: ToolContext, wire: Wire, tool: Any, by: str
) -> None:
    app = await create(free, client_name="Billing")
    wire.calls.clear()
    arguments = arguments_of(tool, app)
    protected = {"client_ids": [app], "names": ["Billing"]}[by]
    async with under(free, protected_apps={by: protected}) as client:
        result = refusal(await client.call_tool(tool.name, arguments))
    assert result["error"] == "PolicyRefusal"
    assert "protected_apps" in result["message"]
    # Only a name has to be looked up.
    assert [call.split()[0] for call in wire.calls] == ([] if by == "client_ids" else ["GET"])


async def test_a_protected_app_can_be_read_and_others_can_be_changed(free: ToolContext) -> None:
    protected = await create(free, client_name="Billing")
    other = await create(free, client_name="Other")
    rules = {"client_ids": [protected], "names": ["Billing"]}
    async with under(free, protected_apps=rules) as client:
        answer(await client.call_tool("get_app", {"client_id": protected}))
        assert answer(await client.call_tool("delete_app", {"client_id": other}))["deleted"]


async def test_an_app_that_is_not_there_is_said_to_be_missing_although_names_are_protected(
    free: ToolContext,
) -> None:
    async with under(free, protected_apps={"names": ["Billing"]}) as client:
        result = refusal(await client.call_tool("delete_app", {"client_id": "nothing"}))
    assert result["error"] == "connected_app_not_found"


async def test_the_grant_of_a_missing_app_can_be_revoked_although_names_are_protected() -> None:
    """The service is not known to remove the grants of an app together with the app."""
    grant = {
        "connected_app_id": "gone",
        "name": "",
        "description": "",
        "client_type": "third_party",
    }
    missing = {"status_code": 404, "request_id": "r", "error_type": "connected_app_not_found"}

    def service(request: httpx2.Request) -> httpx2.Response:
        if "/clients/" in request.url.path:
            return httpx2.Response(404, json=missing | {"error_message": "none"})
        granted = [grant | {"scopes_granted": "openid"}] if request.method == "GET" else []
        return httpx2.Response(
            200, json={"status_code": 200, "request_id": "r", "connected_apps": granted}
        )

    async with (
        project_on(httpx2.MockTransport(service)) as project,
        under(project, protected_apps={"names": ["Billing"]}) as client,
    ):
        arguments = {"client_id": "gone", "user_id": "user-1"}
        assert answer(await client.call_tool("revoke_user_grant", arguments))["revoked"]


async def test_where_the_name_cannot_be_read_nothing_is_changed() -> None:
    sent: list[str] = []

    def fails(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.method)
        return httpx2.Response(500)

    async with (
        project_on(httpx2.MockTransport(fails)) as project,
        under(project, protected_apps={"names": ["Billing"]}) as client,
    ):
        arguments = {"client_id": "app", "user_id": "user-1"}
        refusal(await client.call_tool("revoke_user_grant", arguments))
    assert set(sent) == {"GET"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


def start(file: Path, text: str, *flags: str) -> str:
    """What a server says that refuses to start."""
    file.write_text(text)
    result = CliRunner().invoke(main, ["--sandbox", "--policy", str(file), *flags])
    assert result.exit_code == 2
    return result.stderr


def test_a_server_does_not_start_with_a_policy_that_is_not_right(file: Path) -> None:
    result = start(file, "redirect_host = []")
    assert f"--policy: {file}: redirect_host: there is no such key. Did you mean" in result


def test_a_server_does_not_start_without_the_policy_that_it_was_given(tmp_path: Path) -> None:
    missing = str(tmp_path / "policy.toml")
    result = CliRunner().invoke(main, ["--sandbox"], env={"CONNECTED_APPS_MCP_POLICY": missing})
    assert result.exit_code == 2
    assert f"--policy: {missing}: it cannot be read" in result.stderr


def test_an_unknown_toolset_in_the_policy_is_refused_by_its_name(file: Path) -> None:
    result = start(file, "toolsets = ['aps']")
    assert f"--policy: {file}: toolsets: unknown toolset aps. Did you mean apps?" in result


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("reveal = 'never'", ["--reveal", "allow"]),
        ("toolsets = ['apps']", ["--toolsets", "apps,rotation"]),
        ("confirm = 'always'", ["--confirm", "auto"]),
        ("confirm = 'auto'", ["--confirm", "never"]),
    ],
)
def test_a_flag_that_asks_for_more_than_the_policy_is_refused(
    file: Path, text: str, flags: list[str]
) -> None:
    assert f"{flags[0]} asks for more than the policy allows" in start(file, text, *flags)


CONSUMER = DEFAULT_TOOLSETS["consumer"]


@pytest.mark.parametrize(
    ("text", "given", "toolsets", "reveals"),
    [
        ("", {}, CONSUMER, True),
        ("reveal = 'never'", {}, CONSUMER, False),
        ("reveal = 'allow'", {"reveal": "never"}, CONSUMER, False),
        ("toolsets = ['apps', 'organizations']", {}, ("apps", "organizations"), True),
        ("toolsets = ['apps', 'review']", {"toolsets": "review"}, ("review",), True),
    ],
)
def test_the_stricter_of_a_setting_and_the_policy_is_in_force(
    file: Path, text: str, given: dict[str, str], toolsets: tuple[str, ...], reveals: bool
) -> None:
    file.write_text(text)
    choice = loading.load(sandbox=True, policy=str(file), **given).selection
    assert (tuple(choice.toolsets), choice.reveals) == (toolsets, reveals)


@pytest.mark.parametrize(
    ("text", "given", "in_force"),
    [
        ("", {}, "auto"),
        ("", {"confirm": "never"}, "never"),
        ("confirm = 'never'", {}, "never"),
        ("confirm = 'always'", {}, "always"),
        ("confirm = 'never'", {"confirm": "always"}, "always"),
        ("confirm = 'auto'", {"confirm": "always"}, "always"),
    ],
)
def test_where_a_policy_and_a_flag_say_who_is_asked_the_stricter_is_in_force(
    file: Path, text: str, given: dict[str, str], in_force: str
) -> None:
    file.write_text(text)
    assert loading.load(sandbox=True, policy=str(file), **given).effective("confirm") == in_force


@pytest.fixture
def started(file: Path) -> config.Settings:
    """The settings of a server on the sandbox with a policy."""
    file.write_text("allow_full_access = false")
    return loading.load(sandbox=True, policy=str(file))


async def test_the_sandbox_obeys_the_policy_that_a_server_is_started_with(
    started: config.Settings,
) -> None:
    async with open_project(started) as project, Client(build_server(project)) as client:
        arguments = {"client_type": "first_party", **EVERY_SETTING}
        result = refusal(await client.call_tool("create_app", arguments))
    assert result["message"] == "policy allow_full_access: full_access_allowed may not be true"
