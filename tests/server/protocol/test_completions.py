"""Completions, in both protocol eras, on the sandbox."""

from typing import Any, get_args

import httpx2
import pytest
from mcp import Client, MCPError, types
from mcp.server import Server
from support import ERAS, SHOWN_APP, answer, connected_to, offering, project_on

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools import ToolContext
from connected_apps_tools.api.models import ClientType
from connected_apps_tools.findings.review import SEVERITIES

TEMPLATE = types.ResourceTemplateReference(uri="connected-app://{client_id}")
ROTATE = types.PromptReference(name="rotate-secret")
REGISTER = types.PromptReference(name="register-app")
REVIEW = types.PromptReference(name="review-apps")
OFFBOARD = types.PromptReference(name="offboard-user")

Ref = types.PromptReference | types.ResourceTemplateReference


async def create(client: Client, name: str) -> str:
    arguments = {"client_type": "third_party_public", "client_name": name}
    return str(answer(await client.call_tool("create_app", arguments))["app"]["client_id"])


async def completed(client: Client, ref: Ref, name: str, value: str) -> types.Completion:
    return (await client.complete(ref, {"name": name, "value": value})).completion


@pytest.mark.parametrize("ref", [TEMPLATE, ROTATE], ids=["template", "prompt"])
async def test_an_app_is_found_by_part_of_its_name_or_id(client: Client, ref: Ref) -> None:
    billing, notes = await create(client, "Bil\u200bling"), await create(client, "Notes")
    for part in ("billing", "LLIN", billing, billing[-12:].upper()):
        found = await completed(client, ref, "client_id", part)
        assert (found.values, found.total, found.has_more) == ([billing], 1, False)
    everything = await completed(client, ref, "client_id", "")
    assert set(everything.values) == {billing, notes}
    assert (await completed(client, ref, "client_id", "nothing like it")).values == []


async def test_a_change_by_this_server_shows_at_once(client: Client) -> None:
    await completed(client, TEMPLATE, "client_id", "")
    client_id = await create(client, "Fresh")
    assert (await completed(client, TEMPLATE, "client_id", "fresh")).values == [client_id]
    await client.call_tool("update_app", {"client_id": client_id, "client_name": "Stale"})
    assert (await completed(client, TEMPLATE, "client_id", "fresh")).values == []
    await client.call_tool("delete_app", {"client_id": client_id})
    assert (await completed(client, TEMPLATE, "client_id", "stale")).values == []


@pytest.mark.parametrize(
    ("count", "part", "expected"),
    [
        (100, "", (100, 100, False)),
        (101, "", (100, 101, True)),
        (1001, "", (100, None, True)),
        (1000, "garden 333", (1, 1, False)),
        (1001, "garden 333", (1, None, True)),
    ],
)
@pytest.mark.parametrize("era", ERAS)
async def test_at_most_a_hundred_are_shown_and_more_are_announced(
    era: str, count: int, part: str, expected: tuple[int, int | None, bool]
) -> None:
    sandbox = create_sandbox()
    seed(sandbox, Seed(generated_apps=count))
    async with (
        project_on(httpx2.ASGITransport(sandbox)) as project,
        Client(build_server(project), mode=era) as client,
    ):
        found = await completed(client, TEMPLATE, "client_id", part)
    assert (len(found.values), found.total, found.has_more) == expected


async def test_typing_on_sends_one_request_to_the_service() -> None:
    requests: list[str] = []

    def record(request: httpx2.Request) -> httpx2.Response:
        requests.append(request.url.path)
        found = {"connected_apps": [SHOWN_APP], "results_metadata": {"total": 1}}
        return httpx2.Response(200, json={"status_code": 200, "request_id": "r", **found})

    async with connected_to(record) as client:
        for part in ("a", "ap", "app"):
            assert (await completed(client, TEMPLATE, "client_id", part)).values == ["app"]
    assert len(requests) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_failing_service_completes_nothing(era: str) -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(401)

    async with connected_to(fail, mode=era) as client:
        found = await completed(client, TEMPLATE, "client_id", "a")
    assert (found.values, found.total, found.has_more) == ([], 0, False)


@pytest.mark.parametrize(
    ("ref", "name", "value", "values"),
    [
        (REGISTER, "client_type", "", list(get_args(ClientType))),
        (REGISTER, "client_type", "THIRD", ["third_party", "third_party_public"]),
        (REGISTER, "client_type", "public", ["first_party_public", "third_party_public"]),
        (REVIEW, "min_severity", "", list(SEVERITIES)),
        (REGISTER, "client_name", "x", []),
        (OFFBOARD, "user_id", "u", []),
    ],
)
async def test_choices_are_completed_and_free_text_is_not(
    client: Client, ref: Ref, name: str, value: str, values: list[str]
) -> None:
    assert (await completed(client, ref, name, value)).values == values


@pytest.mark.parametrize(
    ("ref", "name", "message"),
    [
        (types.PromptReference(name="rotate-secrets"), "client_id", "Did you mean rotate-secret"),
        (types.ResourceTemplateReference(uri="file:///{path}"), "path", "connected-app://"),
        (ROTATE, "client", "argument.name: there is no such argument. Did you mean client_id"),
        (TEMPLATE, "id", "argument.name: there is no such argument"),
    ],
)
async def test_an_unknown_reference_is_refused(
    client: Client, ref: Ref, name: str, message: str
) -> None:
    with pytest.raises(MCPError, match=message) as caught:
        await completed(client, ref, name, "")
    assert caught.value.error.code == types.INVALID_PARAMS


async def test_ids_are_completed_only_if_search_apps_is_on(project: ToolContext) -> None:
    others = [name for name in offering().on if name != "search_apps"]
    async with Client(build_server(project, offering(tools=others))) as client:
        await create(client, "Billing")
        assert (await completed(client, ROTATE, "client_id", "")).values == []


async def test_completion_is_offered(server: Server[Any]) -> None:
    async with Client(server) as client:
        assert client.server_capabilities
        assert client.server_capabilities.completions
