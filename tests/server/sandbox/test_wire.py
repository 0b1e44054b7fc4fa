"""What is tolerated on the wire, and how the rest is refused."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox

Create = Callable[..., Awaitable[dict[str, Any]]]
CLIENTS = "/connected_apps/clients"
UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


async def test_ids_and_secrets_have_the_known_form(
    client: httpx2.AsyncClient, create: Create
) -> None:
    app = await create(client)
    response = await client.get(f"{CLIENTS}/{app['client_id']}")
    assert re.fullmatch(f"connected-app-test-{UUID4}", app["client_id"])
    assert re.fullmatch(f"request-id-test-{UUID4}", response.json()["request_id"])
    assert re.fullmatch(r"[\w-]{48}", app["client_secret"])


async def test_a_response_with_a_secret_has_no_creation_method(
    client: httpx2.AsyncClient, create: Create
) -> None:
    created = await create(client)
    path = f"{CLIENTS}/{created['client_id']}"
    found = (await client.get(path)).json()["connected_app"]
    started = (await client.post(f"{path}/secrets/rotate/start")).json()["connected_app"]
    assert found["creation_method"]
    assert "creation_method" not in created
    assert "creation_method" not in started


async def test_a_get_may_repeat_the_client_id_in_its_query(
    client: httpx2.AsyncClient, create: Create
) -> None:
    client_id = (await create(client))["client_id"]
    response = await client.get(f"{CLIENTS}/{client_id}", params={"client_id": client_id})
    assert response.status_code == 200


async def test_an_update_may_repeat_the_client_id_in_its_body(
    client: httpx2.AsyncClient, create: Create
) -> None:
    client_id = (await create(client))["client_id"]
    body = {"client_id": client_id, "client_name": "New"}
    response = await client.put(f"{CLIENTS}/{client_id}", json=body)
    assert response.json()["connected_app"]["client_name"] == "New"


async def test_an_update_cannot_change_what_an_app_is(
    client: httpx2.AsyncClient, create: Create
) -> None:
    app = await create(client)
    path = f"{CLIENTS}/{app['client_id']}"
    before = (await client.get(path)).json()["connected_app"]
    body = {
        "client_id": "other",
        "client_type": "third_party",
        "client_secret": "other",
        "client_secret_last_four": "abcd",
        "status": "inactive",
        "creation_method": "other",
    }
    assert (await client.put(path, json=body)).json()["connected_app"] == before


@pytest.mark.parametrize("content", [b"", b"{}"])
async def test_a_delete_may_have_an_empty_body_or_none(
    client: httpx2.AsyncClient, create: Create, content: bytes
) -> None:
    path = f"{CLIENTS}/{(await create(client))['client_id']}"
    response = await client.request("DELETE", path, content=content)
    assert response.status_code == 200


@pytest.mark.parametrize("content", [b"", b"{}", b'{"client_id": "any"}'])
async def test_a_rotation_takes_any_body_that_the_sdks_send(
    client: httpx2.AsyncClient, create: Create, content: bytes
) -> None:
    path = f"{CLIENTS}/{(await create(client))['client_id']}/secrets/rotate/start"
    assert (await client.post(path, content=content)).status_code == 200


async def test_an_unknown_field_is_ignored(client: httpx2.AsyncClient, create: Create) -> None:
    assert "unknown" not in await create(client, unknown=1)


async def test_duplicate_names_are_allowed(client: httpx2.AsyncClient, create: Create) -> None:
    one, two = [await create(client, client_name="Same") for _ in range(2)]
    assert one["client_id"] != two["client_id"]


async def test_a_whole_number_may_be_written_as_a_float(
    client: httpx2.AsyncClient, create: Create
) -> None:
    app = await create(client, access_token_expiry_minutes=5.0)
    assert app["access_token_expiry_minutes"] == 5


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"text"',
        b"\xff\xfe",
        b"\x00",
        b"[" * 100_000,
        b'{"client_type": "first_party"',
        b'{"client_name": "\\ud800"}',
        b'{"client_type": NaN',
    ],
)
@pytest.mark.parametrize("path", [CLIENTS, f"{CLIENTS}/search", f"{CLIENTS}/x/secrets/rotate"])
async def test_a_body_that_is_not_a_json_object_is_a_bad_request(
    client: httpx2.AsyncClient, path: str, content: bytes
) -> None:
    response = await client.post(path, content=content)
    assert response.status_code == 400
    assert response.json()["error_type"] == "bad_request"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_name", None),
        ("client_name", 1),
        ("client_description", []),
        ("redirect_urls", "https://app.example"),
        ("redirect_urls", [1]),
        ("redirect_urls", None),
        ("full_access_allowed", "true"),
        ("full_access_allowed", 1),
        ("access_token_expiry_minutes", "60"),
        ("access_token_expiry_minutes", 1.5),
        ("access_token_expiry_minutes", True),
        ("access_token_custom_audience", None),
        ("access_token_template_content", {"a": 1}),
        ("logo_url", None),
        ("id_token_template_content", None),
    ],
)
async def test_a_wrong_json_type_is_an_invalid_value(
    client: httpx2.AsyncClient, field: str, value: object
) -> None:
    body = {"client_type": "first_party", field: value}
    response = await client.post(CLIENTS, json=body)
    assert response.status_code == 400
    assert response.json()["error_type"] == "invalid_request_value"
    assert response.json()["error_message"].startswith(field)


@pytest.mark.parametrize("minutes", [0, -1, 527_041, 10**30])
async def test_an_expiry_out_of_bounds_has_its_own_error(
    client: httpx2.AsyncClient, minutes: int
) -> None:
    body = {"client_type": "first_party", "access_token_expiry_minutes": minutes}
    response = await client.post(CLIENTS, json=body)
    assert response.json()["error_type"] == "idp_invalid_access_token_expiry_minutes"


async def test_a_missing_client_type_is_an_invalid_value(client: httpx2.AsyncClient) -> None:
    response = await client.post(CLIENTS, json={})
    assert response.status_code == 400
    assert response.json()["error_type"] == "invalid_request_value"


async def test_a_refused_update_changes_nothing(client: httpx2.AsyncClient, create: Create) -> None:
    path = f"{CLIENTS}/{(await create(client, client_name='Old'))['client_id']}"
    body = {"client_name": "New", "redirect_urls": ["no-scheme"]}
    assert (await client.put(path, json=body)).status_code == 400
    assert (await client.get(path)).json()["connected_app"]["client_name"] == "Old"


async def test_a_body_that_is_too_large_is_a_bad_request(client: httpx2.AsyncClient) -> None:
    body = {"client_type": "first_party", "client_name": "x" * 300_000}
    response = await client.post(CLIENTS, json=body)
    assert response.status_code == 400
    assert response.json()["error_type"] == "bad_request"


async def test_any_text_comes_back_unchanged(client: httpx2.AsyncClient, create: Create) -> None:
    text = "\x00\x1f <b> '; -- \\ {{ é 漢 \U0001f600 \u202e"
    app = await create(client, client_name=text, logo_url=text)
    found = (await client.get(f"{CLIENTS}/{app['client_id']}")).json()["connected_app"]
    assert found["client_name"] == found["logo_url"] == text


@pytest.mark.parametrize("path", ["/", "/connected_apps", f"{CLIENTS}/", f"{CLIENTS}/a/b", "/%2e"])
async def test_an_unknown_route_is_not_found(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.json()["error_type"] == "route_not_found"


@pytest.mark.parametrize("client_id", ["%00", "%F0%9F", "..", "'%20OR%201=1", "x" * 5000])
async def test_an_odd_client_id_is_not_found(client: httpx2.AsyncClient, client_id: str) -> None:
    response = await client.delete(f"{CLIENTS}/{client_id}")
    assert response.status_code in {404, 405}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", CLIENTS, "POST"),
        ("GET", f"{CLIENTS}/search", "POST"),
        ("PATCH", f"{CLIENTS}/x", "GET, PUT, DELETE"),
        ("DELETE", f"{CLIENTS}/x/secrets/rotate", "POST"),
    ],
)
async def test_an_unsupported_method_is_not_allowed(
    client: httpx2.AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await client.request(method, path)
    assert response.status_code == 405
    assert response.json()["error_type"] == "method_not_allowed"
    assert response.headers["allow"] == allow


async def test_the_oauth_endpoint_refuses_a_method_in_the_oauth_shape(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.get("/oauth2/introspect")
    assert response.status_code == 405
    assert response.json()["error"] == "method_not_allowed"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic é",
        "Bearer x",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        basic("no-colon"),
        basic(f"{SANDBOX_CREDENTIALS.project_id}:"),
        basic(f"{SANDBOX_CREDENTIALS.project_id}:é"),
    ],
)
async def test_wrong_credentials_are_unauthorized(
    connect: Callable[..., Awaitable[httpx2.AsyncClient]], header: str
) -> None:
    client = await connect(create_sandbox(), None)
    headers = {b"authorization": header.encode()}
    response = await client.post(f"{CLIENTS}/search", headers=headers)
    assert response.status_code == 401
    assert response.json()["error_type"] == "unauthorized_credentials"
    assert response.headers["www-authenticate"].startswith("Basic")


async def test_credentials_are_checked_before_the_body(client: httpx2.AsyncClient) -> None:
    response = await client.post(CLIENTS, content=b"{", auth=("other", "other"))
    assert response.json()["error_type"] == "invalid_project_id_authentication"


async def test_a_caller_that_hangs_up_while_sending_causes_no_internal_error() -> None:
    sent: list[Message] = []

    async def hang_up() -> Message:
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    credentials = f"{SANDBOX_CREDENTIALS.project_id}:{SANDBOX_CREDENTIALS.secret}"
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/connected_apps/clients",
        "query_string": b"",
        "headers": [(b"authorization", basic(credentials).encode())],
    }
    async with asyncio.timeout(5):
        await create_sandbox()(scope, hang_up, keep)
    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["error_type"] == "bad_request"
