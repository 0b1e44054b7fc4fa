"""No secret value is stored, logged or repeated."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_mcp.sandbox.state.client_secrets import hash_secret

Connect = Callable[..., Awaitable[httpx2.AsyncClient]]
Create = Callable[..., Awaitable[dict[str, Any]]]
CANARY = "canary-value-that-must-not-return"


def bytes_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_no_secret_is_in_the_database_file(
    connect: Connect, create: Create, tmp_path: Path
) -> None:
    client = await connect(create_sandbox(database=tmp_path / "sandbox.sqlite3"))
    app = await create(client)
    path = f"/connected_apps/clients/{app['client_id']}/secrets/rotate"
    started = (await client.post(f"{path}/start", json={})).json()["connected_app"]
    await client.post(path, json={})
    stored = bytes_in(tmp_path)
    assert app["client_id"].encode() in stored
    assert app["client_secret"].encode() not in stored
    assert started["next_client_secret"].encode() not in stored
    assert SANDBOX_CREDENTIALS.secret.encode() not in stored


async def test_a_secret_is_shown_only_once(client: httpx2.AsyncClient, create: Create) -> None:
    app = await create(client)
    shown = await client.get(f"/connected_apps/clients/{app['client_id']}")
    listed = await client.post("/connected_apps/clients/search", json={})
    assert app["client_secret"] not in shown.text + listed.text


async def test_no_secret_is_logged(
    client: httpx2.AsyncClient, create: Create, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        app = await create(client)
        await client.post(
            "/oauth2/introspect", data={}, auth=(app["client_id"], app["client_secret"])
        )
    assert app["client_secret"] not in caplog.text


async def test_a_refused_introspection_does_not_repeat_the_secret(
    client: httpx2.AsyncClient,
) -> None:
    for form in ({}, {"token": CANARY}):
        response = await client.post("/oauth2/introspect", data=form, auth=(CANARY, CANARY))
        assert response.status_code in {400, 401}
        assert CANARY not in response.text


@pytest.mark.parametrize(
    "settings",
    [
        {"client_type": CANARY},
        {"client_name": [CANARY]},
        {"redirect_urls": [CANARY]},
        {"redirect_urls": [{CANARY: CANARY}]},
        {"access_token_expiry_minutes": CANARY},
        {"access_token_custom_audience": f" {CANARY}"},
        {"access_token_template_content": CANARY},
        {"access_token_template_content": f"{{{{ {CANARY} !}}}}"},
    ],
)
async def test_an_error_does_not_repeat_the_value_that_it_refuses(
    client: httpx2.AsyncClient, settings: dict[str, object]
) -> None:
    body = {"client_type": "first_party", **settings}
    response = await client.post("/connected_apps/clients", json=body)
    assert response.status_code == 400
    assert CANARY not in response.text


def test_credentials_do_not_show_their_secret() -> None:
    assert SANDBOX_CREDENTIALS.secret not in repr(SANDBOX_CREDENTIALS)
    assert SANDBOX_CREDENTIALS.project_id in repr(SANDBOX_CREDENTIALS)


def test_each_hash_of_the_same_secret_has_its_own_salt() -> None:
    assert hash_secret("the same") != hash_secret("the same")
