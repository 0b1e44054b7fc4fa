"""The check of stored secrets, and the completion that needs it, as an MCP client sees them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from examples import APP
from mcp import Client
from pydantic import SecretStr
from server.people import Person, Wire, asking, rotating
from support import answer, offering, refusal

from connected_apps_tools import ToolContext

OTHER = SecretStr("another-secret-1234")
NO_ROUTE = httpx2.Response(404, json={"error_type": "route_not_found", "error_message": "No."})


class Checked(Wire):
    """A sandbox with an app, in which introspection can have another response."""

    introspected: httpx2.Response | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        is_it = request.url.path.endswith("/introspect")
        return self.introspected if is_it and self.introspected else response

    @property
    def introspections(self) -> int:
        """How many there were."""
        return sum(each.endswith("/introspect") for each in self.requests)


@asynccontextmanager
async def under_way(**options: Any) -> AsyncIterator[tuple[Checked, Client, ToolContext]]:
    """A rotation of the app."""
    wire = Checked()
    async with asking(wire, Person(), **options) as (client, project):
        await rotating(project)
        wire.requests.clear()
        wire.writes.clear()
        yield wire, client, project


async def checked(client: Client) -> dict[str, Any]:
    return answer(await client.call_tool("check_client_secret", {"client_id": APP}))


async def completed(client: Client, **arguments: Any) -> dict[str, Any]:
    called = await client.call_tool("complete_secret_rotation", {"client_id": APP} | arguments)
    return answer(called)


async def not_completed(client: Client) -> dict[str, Any]:
    return refusal(await client.call_tool("complete_secret_rotation", {"client_id": APP}))


async def test_each_secret_is_checked_and_nothing_is_changed() -> None:
    async with under_way() as (wire, client, project):
        await project.secrets.store.put(APP, "current", OTHER)
        before = wire.state()
        result = await checked(client)
        assert wire.state() == before
    assert wire.writes == []
    assert result["current"]["state"] == "dead"
    assert "does not accept" in result["current"]["why"]
    assert "differ" in result["current"]["why"]
    assert result["next"]["state"] == "alive"
    assert "complete_secret_rotation" in result["next_step"]


async def test_a_secret_that_is_not_stored_is_said_to_be_so() -> None:
    async with under_way() as (_, client, project):
        await project.secrets.store.remove(APP)
        result = await checked(client)
    assert result["next"] == {"state": "unknown", "why": "No next secret is stored here."}
    assert "start_secret_rotation" in result["next_step"]


async def test_an_app_without_a_rotation_has_no_next_secret_to_check() -> None:
    async with under_way() as (_, client, project):
        await project.secrets.complete_rotation(APP)
        result = await checked(client)
    assert result["current"]["state"] == "alive"
    assert "next" not in result


async def test_where_the_service_has_no_introspection_the_result_says_so() -> None:
    async with under_way() as (wire, client, _):
        wire.introspected = NO_ROUTE
        result = await checked(client)
    assert result["next"]["state"] == "unknown"
    assert "could not be checked" in result["next"]["why"]


async def test_a_public_app_has_no_secret_to_check(client: Client) -> None:
    made = answer(await client.call_tool("create_app", {"client_type": "first_party_public"}))
    arguments = {"client_id": made["app"]["client_id"]}
    error = refusal(await client.call_tool("check_client_secret", arguments))
    assert error["message"] == "A public app has no client secret."


async def test_a_check_works_on_a_read_only_server_and_asks_nobody() -> None:
    async with under_way(offer=offering(read_only=True)) as (_, client, _project):
        assert (await checked(client))["next"]["state"] == "alive"


async def test_a_check_returns_no_secret() -> None:
    async with under_way() as (wire, client, project):
        stored = await project.secrets.store.get(APP, "next")
        assert stored
        secret = stored.secret.get_secret_value()
        wire.introspected = httpx2.Response(
            400, json={"error": "invalid_request", "error_description": f"Not {secret}."}
        )
        assert secret not in str(await checked(client))


async def test_each_plan_of_a_completion_checks_the_next_secret_once() -> None:
    async with under_way() as (wire, client, _):
        done = await completed(client)
        plans = [each for each in wire.requests if each.startswith("GET ")]
        assert wire.introspections == len(plans) == 2  # before the question, and after the answer
    assert done["state"] == "not_rotating"


async def test_a_completion_is_refused_if_the_next_secret_is_dead() -> None:
    async with under_way() as (wire, client, _):
        wire.introspected = httpx2.Response(401, json={"error": "invalid_client"})
        error = await not_completed(client)
        assert wire.writes == []
    assert "does not accept the next secret" in error["message"]
    assert "cancel_secret_rotation" in error["hint"]
    assert "Force it only" in error["hint"]
    assert "try again" not in error["hint"]


async def test_a_completion_is_refused_if_the_next_secret_cannot_be_checked() -> None:
    async with under_way() as (wire, client, _):
        wire.introspected = NO_ROUTE
        error = await not_completed(client)
        assert wire.writes == []
    assert "could not be checked" in error["message"]
    assert "Force it only" in error["hint"]


async def test_a_completion_can_be_tried_again_if_the_service_failed_to_check() -> None:
    async with under_way() as (wire, client, _):
        wire.introspected = httpx2.Response(503)
        error = await not_completed(client)
        wire.introspected = None
        assert "try again" in error["hint"]
        assert (await completed(client))["state"] == "not_rotating"


@pytest.mark.parametrize("status", [401, 404])
async def test_a_completion_that_is_forced_checks_nothing(status: int) -> None:
    async with under_way() as (wire, client, project):
        wire.introspected = httpx2.Response(status, json={"error": "invalid_client"})
        done = await completed(client, force=True, reason="The app was seen working.")
        assert wire.introspections == 0
        assert done["state"] == "not_rotating"
        assert await project.secrets.store.find(APP, "current", done["client_secret_last_four"])
