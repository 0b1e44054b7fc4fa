"""The project that is managed issues the tokens too: --auth stytch, with the sandbox for Stytch."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from server.sandbox.oauth.flow import LOOPBACK, OAuthClient
from support import HELLO, answer, listening, running

from connected_apps_mcp.commands.demos.person import Person
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS

CREDENTIALS = {
    "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
    "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
}
BOTH = {"accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The URL of a service that also issues tokens with our scopes."""
    scopes = ["--scope", "apps:read", "--scope", "apps:write", "--scope", "grants:read"]
    with running("sandbox", "serve", "--port", "0", *scopes, **CREDENTIALS) as process:
        assert process.stdout
        yield next(word for word in process.stdout.readline().split() if word.startswith("http"))


@contextmanager
def server(service: str, *flags: str) -> Iterator[str]:
    issuer = ["--auth", "stytch", "--auth-issuer", service, "--base-url", service]
    with listening("--transport", "http", *issuer, *flags, **CREDENTIALS) as urls:
        yield urls["http"]


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(headers=BOTH, trust_env=False) as http:
        yield http


async def app(http: httpx2.AsyncClient, service: str, **settings: Any) -> OAuthClient:
    """An app of the project, as an OAuth client."""
    new = {"client_type": "third_party_public", "redirect_urls": [LOOPBACK], **settings}
    basic = httpx2.BasicAuth(CREDENTIALS["STYTCH_PROJECT_ID"], CREDENTIALS["STYTCH_SECRET"])
    made = await http.post(f"{service}/v1/connected_apps/clients", json=new, auth=basic)
    client_id = made.json()["connected_app"]["client_id"]
    return OAuthClient(http, client_id, redirect_uri=LOOPBACK, origin=service)


async def enters(http: httpx2.AsyncClient, url: str, client: OAuthClient) -> int:
    """The status that a token of an app gets."""
    token = (await client.tokens("apps:read"))["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    return (await http.post(url, json=HELLO[0], headers=headers)).status_code


async def test_an_official_client_logs_in_at_the_project(service: str) -> None:
    with server(service) as url:
        async with Person().client(url) as client:
            assert "apps" in answer(await client.call_tool("search_apps", {}))


async def test_only_an_app_with_this_server_as_its_audience_enters(
    service: str, http: httpx2.AsyncClient
) -> None:
    with server(service) as url:
        meant = await app(http, service, access_token_custom_audience=url)
        assert await enters(http, url, meant) == 200
        assert await enters(http, url, await app(http, service)) == 401


async def test_the_project_counts_as_the_audience_for_named_apps_alone(
    service: str, http: httpx2.AsyncClient
) -> None:
    named, other = await app(http, service), await app(http, service)
    flags = ["--auth-project-audience", "--auth-clients", named.client_id]
    with server(service, *flags) as url:
        assert await enters(http, url, named) == 200
        assert await enters(http, url, other) == 401
