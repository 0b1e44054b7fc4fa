"""Rotation, and the secrets behind it, as an MCP client sees them."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from support import answer, offering, project_on, refusal

from connected_apps_mcp.protocol.server import build_server
from connected_apps_tools import ToolContext


async def call(client: Client, tool: str, client_id: str, **arguments: Any) -> dict[str, Any]:
    return answer(await client.call_tool(tool, {"client_id": client_id, **arguments}))


async def refused(client: Client, tool: str, client_id: str, **arguments: Any) -> dict[str, Any]:
    return refusal(await client.call_tool(tool, {"client_id": client_id, **arguments}))


@pytest.fixture
async def app(client: Client) -> str:
    """The id of a confidential app."""
    created = await client.call_tool("create_app", {"client_type": "first_party"})
    return str(answer(created)["app"]["client_id"])


async def shown(client: Client, client_id: str, which: str = "current") -> str:
    return str((await call(client, "reveal_client_secret", client_id, which=which))["value"])


async def alive(sandbox: httpx2.ASGITransport, client_id: str, secret: str) -> bool:
    async with httpx2.AsyncClient(transport=sandbox, base_url="http://localhost") as http:
        asked = await http.post(
            "/v1/oauth2/introspect", data={"token": "x"}, auth=(client_id, secret)
        )
    return asked.status_code == 200


async def test_a_rotation_from_start_to_completion(
    client: Client, app: str, sandbox: httpx2.ASGITransport
) -> None:
    old = await shown(client, app)
    started = await call(client, "start_secret_rotation", app)
    assert started["state"] == "rotating"
    assert "complete_secret_rotation" in started["next_step"]
    new = await shown(client, app, "next")
    assert [await alive(sandbox, app, secret) for secret in (old, new)] == [True, True]
    completed = await call(client, "complete_secret_rotation", app)
    assert completed["state"] == "not_rotating"
    assert completed["client_secret_last_four"] == new[-4:]
    assert await shown(client, app) == new
    assert [await alive(sandbox, app, secret) for secret in (old, new)] == [False, True]


async def test_a_cancelled_rotation_leaves_the_current_secret(
    client: Client, app: str, sandbox: httpx2.ASGITransport
) -> None:
    old = await shown(client, app)
    await call(client, "start_secret_rotation", app)
    cancelled = await call(client, "cancel_secret_rotation", app)
    assert cancelled["state"] == "not_rotating"
    assert "start_secret_rotation" in cancelled["next_step"]
    assert await alive(sandbox, app, old)
    missing = await refused(client, "reveal_client_secret", app, which="next")
    assert "No next secret" in missing["message"]


async def test_starting_twice_answers_with_the_state(client: Client, app: str) -> None:
    started = await call(client, "start_secret_rotation", app)
    again = await call(client, "start_secret_rotation", app)
    assert again["state"] == "rotating"
    assert again["next_client_secret_last_four"] == started["next_client_secret_last_four"]
    assert "under way already" in again["next_step"]


async def test_starting_twice_does_not_promise_a_next_secret_that_is_not_stored(
    client: Client, app: str, project: ToolContext
) -> None:
    await project.api.start_rotation(app)
    state = await call(client, "start_secret_rotation", app)
    assert "not stored here" in state["next_step"]
    assert "cancel_secret_rotation" in state["next_step"]
    assert "complete_secret_rotation" not in state["next_step"]


async def test_the_note_says_how_to_get_the_next_secret(client: Client, app: str) -> None:
    started = await call(client, "start_secret_rotation", app)
    assert "--next" in started["next_client_secret"]["note"]


async def drifted(sandbox: httpx2.ASGITransport, **fields: str) -> dict[str, Any]:
    """The secret in a result, with other values in these fields of the app."""

    async def drift(request: httpx2.Request) -> httpx2.Response:
        response = await sandbox.handle_async_request(request)
        body = json.loads(await response.aread())
        return httpx2.Response(200, json=body | {"connected_app": body["connected_app"] | fields})

    async with (
        project_on(httpx2.MockTransport(drift)) as strange,
        Client(build_server(strange)) as client,
    ):
        created = await client.call_tool("create_app", {"client_type": "first_party"})
    result: dict[str, Any] = answer(created)["client_secret"]
    return result


async def test_a_secret_that_is_not_believed_is_not_called_missing(
    sandbox: httpx2.ASGITransport,
) -> None:
    result = await drifted(sandbox, client_secret="************")
    assert result.keys() == {"note"}
    assert "nothing that can be the secret" in result["note"]


async def test_a_doubtful_secret_is_reported_as_such(
    sandbox: httpx2.ASGITransport,
) -> None:
    result = await drifted(sandbox, client_secret_last_four="none")
    assert result["kept_in"]
    assert "differs from what the service says" in result["note"]


async def test_the_next_secret_is_withheld_unless_asked_for(client: Client, app: str) -> None:
    started = await call(client, "start_secret_rotation", app)
    assert started["next_client_secret"].keys() == {"last_four", "kept_in", "note"}
    await call(client, "cancel_secret_rotation", app)
    asked = await call(client, "start_secret_rotation", app, reveal_secret=True)
    value = asked["next_client_secret"]["value"]
    assert value == await shown(client, app, "next")
    assert str(asked).count(value) == 1


async def test_completing_is_refused_if_the_next_secret_is_not_stored(
    client: Client, app: str, project: ToolContext
) -> None:
    await call(client, "start_secret_rotation", app)
    await project.secrets.store.remove(app, "next")
    error = await refused(client, "complete_secret_rotation", app)
    assert "No next secret is stored here" in error["message"]
    assert "cancel_secret_rotation" in error["hint"]
    state = await call(client, "start_secret_rotation", app)
    assert state["state"] == "rotating"


async def test_completing_is_refused_if_the_stored_next_secret_differs(
    client: Client, app: str, project: ToolContext
) -> None:
    await call(client, "start_secret_rotation", app)
    await project.api.cancel_rotation(app)
    await project.api.start_rotation(app)
    error = await refused(client, "complete_secret_rotation", app)
    assert "differs from the service's" in error["message"]


async def test_completing_can_be_forced_for_a_reason(
    client: Client, app: str, project: ToolContext
) -> None:
    await project.api.start_rotation(app)
    forced = await call(
        client, "complete_secret_rotation", app, force=True, reason="The team has it already."
    )
    assert forced["state"] == "not_rotating"


@pytest.mark.parametrize("arguments", [{"force": True}, {"reason": "For no reason at all."}])
async def test_force_and_reason_go_together(
    client: Client, app: str, arguments: dict[str, Any]
) -> None:
    error = await refused(client, "complete_secret_rotation", app, **arguments)
    assert "together" in error["message"]


async def test_completing_without_a_rotation_is_refused(client: Client, app: str) -> None:
    error = await refused(client, "complete_secret_rotation", app)
    assert error["message"] == "Nothing was sent: no rotation of this app is under way."
    assert "start_secret_rotation" in error["hint"]


async def test_a_public_app_has_no_secret_to_rotate(client: Client) -> None:
    created = await client.call_tool("create_app", {"client_type": "first_party_public"})
    error = await refused(client, "start_secret_rotation", answer(created)["app"]["client_id"])
    assert error["error"] == "public_connected_apps_do_not_have_secrets"


async def test_a_deleted_app_leaves_no_secret_behind(
    client: Client, app: str, project: ToolContext
) -> None:
    await call(client, "start_secret_rotation", app)
    await call(client, "delete_app", app)
    assert await project.secrets.store.entries() == []


async def test_a_secret_of_which_the_service_knows_nothing_any_more_is_marked(
    client: Client, app: str, project: ToolContext
) -> None:
    await project.api.start_rotation(app)
    await project.api.complete_rotation(app)
    stale = await call(client, "reveal_client_secret", app)
    assert "another one by now" in stale["note"]


class Untouchable:
    """A store that breaks at a touch."""

    kind = "untouchable"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


async def test_reading_and_searching_touch_neither_store_nor_journal(
    sandbox: httpx2.ASGITransport, app: str, tmp_path: Path
) -> None:
    store: Any = Untouchable()
    async with (
        project_on(sandbox, store, folder=tmp_path) as project,
        Client(build_server(project)) as client,
    ):
        await call(client, "get_app", app)
        answer(await client.call_tool("search_apps", {}))
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a test's own folder


async def test_under_the_ceiling_nothing_can_be_revealed(project: ToolContext, app: str) -> None:
    async with Client(build_server(project, offering(reveals=False))) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "reveal_client_secret" not in listed
        assert all("reveal_secret" not in str(tool.input_schema) for tool in listed.values())
        arguments = {"client_type": "first_party", "reveal_secret": True}
        error = refusal(await client.call_tool("create_app", arguments))
        assert "reveal_secret: there is no such argument" in error["message"]
        error = await refused(client, "start_secret_rotation", app, reveal_secret=True)
        assert "reveal_secret: there is no such argument" in error["message"]
