"""Apps register themselves, by a request or by a document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from connected_apps_mcp.sandbox.oauth import client_documents, registration

from .flow import LOOPBACK, ORIGIN, REDIRECT, OAuthClient, answer_of

Serve = Callable[[Starlette], str]
REGISTER = f"{ORIGIN}/v1/oauth2/register"
PUBLIC = {"client_name": "Inspector", "redirect_uris": [REDIRECT]}


@pytest.fixture
async def http(app: OAuthClient) -> httpx2.AsyncClient:
    """A client without credentials."""
    return app.http


async def found(api: httpx2.AsyncClient, client_id: str) -> dict[str, Any]:
    app: dict[str, Any] = (await api.get(f"/connected_apps/clients/{client_id}")).json()[
        "connected_app"
    ]
    return app


async def test_an_app_registers_itself_and_gets_tokens(http: httpx2.AsyncClient) -> None:
    response = await http.post(REGISTER, json=PUBLIC)
    assert response.status_code == 201
    registered = response.json()
    assert registered.items() >= {**PUBLIC, "token_endpoint_auth_method": "none"}.items()
    assert "client_secret" not in registered
    assert await OAuthClient(http, registered["client_id"]).tokens()


async def test_the_api_shows_an_app_that_registered_itself(
    http: httpx2.AsyncClient, api: httpx2.AsyncClient
) -> None:
    registered = (await http.post(REGISTER, json=PUBLIC)).json()
    expected = {
        "client_name": "Inspector",
        "client_type": "third_party_public",
        "creation_method": "dynamic_client_registration",
        "redirect_urls": [REDIRECT],
    }
    assert (await found(api, registered["client_id"])).items() >= expected.items()


async def test_public_apps_with_equal_metadata_are_one_app(http: httpx2.AsyncClient) -> None:
    first, second = [(await http.post(REGISTER, json=PUBLIC)).json() for _ in range(2)]
    other = (await http.post(REGISTER, json={**PUBLIC, "client_name": "Other"})).json()
    assert first["client_id"] == second["client_id"] != other["client_id"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_an_app_may_ask_for_a_secret(http: httpx2.AsyncClient, method: str) -> None:
    asked = {**PUBLIC, "token_endpoint_auth_method": method}
    first, second = [(await http.post(REGISTER, json=asked)).json() for _ in range(2)]
    assert first["client_id"] != second["client_id"]
    app = OAuthClient(http, first["client_id"], first["client_secret"])
    assert await app.tokens()
    app.secret = second["client_secret"]
    assert (await app.redeem(await app.code())).status_code == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"redirect_uris": ["http://app.example/callback"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/#part"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_client_metadata"),
        ({"redirect_uris": "https://app.example"}, "invalid_client_metadata"),
        ({"client_name": ["x"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    ],
)
async def test_invalid_metadata_is_refused(
    http: httpx2.AsyncClient, changed: dict[str, Any], error: str
) -> None:
    response = await http.post(REGISTER, json={**PUBLIC, **changed})
    assert response.status_code == 400
    assert response.json()["error"] == error


@pytest.mark.parametrize("body", ["", "[]", "{", "x" * 70_000])
async def test_what_is_no_metadata_is_refused(http: httpx2.AsyncClient, body: str) -> None:
    assert (await http.post(REGISTER, content=body)).status_code == 400


async def test_only_so_many_apps_register_themselves(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "MAX_REGISTERED", 1)
    assert (await http.post(REGISTER, json=PUBLIC)).status_code == 201
    assert (await http.post(REGISTER, json=PUBLIC)).status_code == 201
    response = await http.post(REGISTER, json={**PUBLIC, "client_name": "Other"})
    assert response.json()["error"] == "too_many_connected_apps"


class Publisher:
    """A site with a client-id metadata document."""

    def __init__(self, serve: Serve) -> None:
        self.changed: dict[str, Any] = {}
        self.response: Response | None = None
        route = Route("/{name:path}", self._respond)
        self.url = f"{serve(Starlette(routes=[route]))}client.json"

    async def _respond(self, _: Request) -> Response:
        if self.response is not None:
            return self.response
        return JSONResponse({"client_id": self.url, **PUBLIC, **self.changed})


@pytest.fixture
def publisher(serve: Serve) -> Publisher:
    return Publisher(serve)


@pytest.fixture
async def documented(http: httpx2.AsyncClient, publisher: Publisher) -> OAuthClient:
    """An app with the URL of its metadata document as its id."""
    return OAuthClient(http, publisher.url)


async def test_a_url_is_an_app_with_a_metadata_document(
    documented: OAuthClient, api: httpx2.AsyncClient
) -> None:
    tokens = await documented.tokens("openid offline_access")
    described = await documented.introspect(tokens["access_token"])
    expected = {
        "client_name": "Inspector",
        "client_type": "third_party_public",
        "client_id_metadata_url": documented.client_id,
    }
    assert (await found(api, described["client_id"])).items() >= expected.items()
    assert (await documented.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_changed_document_changes_the_app(
    documented: OAuthClient, publisher: Publisher
) -> None:
    await documented.code()
    publisher.changed = {"redirect_uris": [LOOPBACK]}
    assert (await documented.ask()).status_code == 400
    documented.redirect_uri = LOOPBACK
    assert answer_of(await documented.decide(await documented.ask()))["code"]


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "https://other.example/client.json"},
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"token_endpoint_auth_method": "client_secret_post"},
    ],
)
async def test_an_invalid_document_is_refused(
    documented: OAuthClient, publisher: Publisher, changed: dict[str, Any]
) -> None:
    publisher.changed = changed
    assert (await documented.ask()).status_code == 400


@pytest.mark.parametrize(
    "response",
    [
        PlainTextResponse("none", 404),
        RedirectResponse("/other.json"),
        PlainTextResponse("no JSON"),
        PlainTextResponse("x" * (client_documents.MAX_DOCUMENT_BYTES + 1)),
        PlainTextResponse("x", headers={"content-encoding": "gzip"}),
    ],
    ids=["missing", "redirect", "no JSON", "large", "encoded"],
)
async def test_what_is_no_document_is_refused(
    documented: OAuthClient, publisher: Publisher, response: Response
) -> None:
    publisher.response = response
    assert (await documented.ask()).status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/client.json",
        "ftp://app.example/client.json",
        "https://app.example",
        "https://app.example/",
        "https://app.example/client.json#part",
        "https://user@app.example/client.json",
        "https://app.example/../client.json",
        "https://[broken/client.json",
        "https://app.example:99999/client.json",
        "https://10.0.0.1/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.1.1/client.json",
        "https://100.64.0.1/client.json",
        "https://[::ffff:10.0.0.1]/client.json",
        "https://[fd00::1]/client.json",
        "https://0.0.0.0/client.json",
        "https://0x0a000001/client.json",
    ],
)
async def test_nothing_is_fetched_from_other_places(http: httpx2.AsyncClient, url: str) -> None:
    page = await OAuthClient(http, url).ask()
    assert page.status_code == 400
    assert "metadata document is refused" in page.text


async def test_a_host_that_hangs_is_given_up(
    documented: OAuthClient, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_documents, "FETCH_SECONDS", 0.05)

    async def forever() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep(5)

    publisher.response = StreamingResponse(forever())
    assert (await documented.ask()).status_code == 400
