"""Introspection proves which secret is alive at each step of a rotation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from connected_apps_mcp.sandbox import create_sandbox

App = dict[str, Any]
Connect = Callable[..., Awaitable[httpx2.AsyncClient]]
Create = Callable[..., Awaitable[App]]
IsAlive = Callable[..., Awaitable[bool]]


async def rotation(client: httpx2.AsyncClient, client_id: str, step: str = "") -> App:
    path = f"/connected_apps/clients/{client_id}/secrets/rotate{step}"
    response = await client.post(path, json={})
    assert response.status_code == 200, response.text
    app: App = response.json()["connected_app"]
    return app


async def test_the_secret_of_a_new_app_works(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client)
    assert await is_alive(client, app["client_id"], app["client_secret"])


async def test_both_secrets_work_during_a_rotation(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client)
    upcoming = (await rotation(client, app["client_id"], "/start"))["next_client_secret"]
    assert await is_alive(client, app["client_id"], app["client_secret"])
    assert await is_alive(client, app["client_id"], upcoming)


async def test_completing_a_rotation_revokes_the_old_secret(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client)
    upcoming = (await rotation(client, app["client_id"], "/start"))["next_client_secret"]
    await rotation(client, app["client_id"])
    assert not await is_alive(client, app["client_id"], app["client_secret"])
    assert await is_alive(client, app["client_id"], upcoming)


async def test_cancelling_a_rotation_revokes_the_next_secret(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client)
    upcoming = (await rotation(client, app["client_id"], "/start"))["next_client_secret"]
    await rotation(client, app["client_id"], "/cancel")
    assert await is_alive(client, app["client_id"], app["client_secret"])
    assert not await is_alive(client, app["client_id"], upcoming)


async def test_a_rotation_can_start_again_after_the_last_one_ended(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client)
    for end in ("/cancel", ""):
        upcoming = (await rotation(client, app["client_id"], "/start"))["next_client_secret"]
        await rotation(client, app["client_id"], end)
    assert await is_alive(client, app["client_id"], upcoming)


async def test_only_one_of_many_simultaneous_rotation_starts_succeeds(
    client: httpx2.AsyncClient, create: Create
) -> None:
    app = await create(client)
    path = f"/connected_apps/clients/{app['client_id']}/secrets/rotate/start"
    answers = await asyncio.gather(*(client.post(path, json={}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


async def test_an_update_leaves_the_secrets_alone(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client)
    upcoming = (await rotation(client, app["client_id"], "/start"))["next_client_secret"]
    await client.put(f"/connected_apps/clients/{app['client_id']}", json={"client_name": "New"})
    assert await is_alive(client, app["client_id"], app["client_secret"])
    assert await is_alive(client, app["client_id"], upcoming)


async def test_deleting_an_app_revokes_its_secret(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client)
    await client.delete(f"/connected_apps/clients/{app['client_id']}")
    assert not await is_alive(client, app["client_id"], app["client_secret"])


async def test_the_secret_of_one_app_does_not_work_for_another(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app, other = await create(client), await create(client)
    assert not await is_alive(client, other["client_id"], app["client_secret"])


async def test_introspection_reports_an_unknown_token_as_inactive(
    connect: Connect, create: Create
) -> None:
    sandbox = create_sandbox()
    app = await create(await connect(sandbox))
    form = {"client_id": app["client_id"], "client_secret": app["client_secret"], "token": "any"}
    response = await (await connect(sandbox, None)).post("/oauth2/introspect", data=form)
    assert response.status_code == 200
    body = response.json()
    assert body["active"] is False
    assert body["status_code"] == 200
    assert body["request_id"].startswith("request-id-test-")


async def test_project_credentials_do_not_work_for_introspection(
    client: httpx2.AsyncClient, create: Create
) -> None:
    app = await create(client)
    form = {"client_id": app["client_id"], "client_secret": app["client_secret"], "token": "any"}
    response = await client.post("/oauth2/introspect", data=form)
    assert response.json()["error"] == "invalid_client"


async def test_a_public_app_needs_only_its_id_to_introspect(
    client: httpx2.AsyncClient, create: Create, is_alive: IsAlive
) -> None:
    app = await create(client, client_type="first_party_public")
    assert await is_alive(client, app["client_id"], "")


@pytest.mark.parametrize("secret", ["", "wrong", "é" * 48])
async def test_a_wrong_client_secret_is_refused_in_the_oauth_shape(
    client: httpx2.AsyncClient, create: Create, secret: str
) -> None:
    app = await create(client)
    response = await client.post(
        "/oauth2/introspect", data={"token": "any"}, auth=(app["client_id"], secret)
    )
    body = response.json()
    assert response.status_code == body["status_code"] == 401
    assert body["error"] == "invalid_client"
    assert body.keys() == {
        "status_code",
        "request_id",
        "error",
        "error_description",
        "error_uri",
    }


async def test_introspection_without_a_token_is_refused_in_the_oauth_shape(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.post("/oauth2/introspect", data={"client_id": "any"})
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
