"""The OAuth part of the official MCP client logs in at the sandbox, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx2
import jwt
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .flow import answer_of, consent_id

RESOURCE_METADATA = "/.well-known/oauth-protected-resource/mcp"


class Storage:
    """Stores in memory what the client learns."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Allows whatever is asked, and hands the answer to the client."""

    def __init__(self) -> None:
        self._answer: dict[str, str] = {}

    async def visit(self, url: str) -> None:
        async with httpx2.AsyncClient(trust_env=False) as browser:
            form = {"consent": consent_id(await browser.get(url)), "decision": "allow"}
            self._answer = answer_of(await browser.post(url.partition("?")[0], data=form))

    async def answer(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate(self._answer)


def origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def resource(request: Request) -> Response:
    """A protected resource, which accepts any token of the sandbox for itself."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token:
        challenge = f'Bearer resource_metadata="{origin(request)}{RESOURCE_METADATA}"'
        return PlainTextResponse("", 401, headers={"www-authenticate": challenge})
    keys = request.app.state.issuer().public_keys()
    jwt.decode(
        token,
        jwt.PyJWKSet.from_dict(keys).keys[0],
        algorithms=["RS256"],
        audience=f"{origin(request)}/mcp",
        issuer=origin(request),
    )
    return PlainTextResponse("let in")


async def describe(request: Request) -> Response:
    return JSONResponse(
        {
            "resource": f"{origin(request)}/mcp",
            "authorization_servers": [origin(request)],
            "scopes_supported": ["apps:read"],
        }
    )


@pytest.fixture
async def url(sandbox: Starlette, serve: Callable[[Starlette], str]) -> str:
    sandbox.routes.extend([Route("/mcp", resource), Route(RESOURCE_METADATA, describe)])
    return f"{serve(sandbox)}mcp"


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
async def client(url: str, storage: Storage) -> AsyncIterator[httpx2.AsyncClient]:
    person = Person()
    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata(
            client_name="A client", redirect_uris=[AnyUrl("http://127.0.0.1:3030/callback")]
        ),
        storage,
        person.visit,
        person.answer,
    )
    async with httpx2.AsyncClient(auth=provider, trust_env=False) as http:
        yield http


async def test_it_registers_asks_and_is_let_in(
    client: httpx2.AsyncClient, url: str, storage: Storage
) -> None:
    assert (await client.get(url)).text == "let in"
    assert storage.client is not None
    assert storage.client.client_id is not None
    assert storage.client.client_id.startswith("connected-app-test-")


async def test_it_refreshes_an_expired_token(
    client: httpx2.AsyncClient, url: str, storage: Storage
) -> None:
    await client.get(url)
    first = storage.tokens
    assert first is not None
    assert first.refresh_token is not None
    assert client.auth is not None
    client.auth.context.token_expiry_time = 1.0  # type: ignore[attr-defined]
    assert (await client.get(url)).text == "let in"
    second = storage.tokens
    assert second is not None
    assert second.refresh_token not in {None, first.refresh_token}
