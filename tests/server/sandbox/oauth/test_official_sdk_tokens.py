"""The vendor's Python SDK accepts the tokens of the sandbox, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import httpx2
import pytest
import requests
import stytch
from starlette.applications import Starlette

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS

from .conftest import ADA
from .flow import OAuthClient

# The SDK still gives aiohttp its credentials in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")


@pytest.fixture
async def url(sandbox: Starlette, serve: Callable[[Starlette], str]) -> str:
    return serve(sandbox)


@pytest.fixture
async def sdk(url: str) -> AsyncIterator[stytch.Client]:
    async with aiohttp.ClientSession() as async_session:
        with requests.Session() as session:
            yield stytch.Client(
                project_id=SANDBOX_CREDENTIALS.project_id,
                secret=SANDBOX_CREDENTIALS.secret,
                environment=url,
                suppress_warnings=True,
                sync_session=session,
                async_session=async_session,
            )


@pytest.fixture
async def tokens(app: OAuthClient, url: str) -> AsyncIterator[dict[str, str]]:
    """Tokens from the socket. Their issuer is the URL of the socket."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        client = OAuthClient(http, app.client_id, app.secret, origin=url.rstrip("/"))
        yield await client.tokens("openid offline_access")


async def test_the_sdk_accepts_an_access_token_locally(
    sdk: stytch.Client, tokens: dict[str, str], app: OAuthClient
) -> None:
    claims = sdk.idp.introspect_access_token_local(tokens["access_token"])
    assert claims is not None
    assert claims.subject == ADA
    assert claims.scope == "openid offline_access"
    assert claims.custom_claims == {"client_id": app.client_id}


async def test_the_sdk_accepts_it_after_a_rotation_of_the_keys(
    sdk: stytch.Client, tokens: dict[str, str], sandbox: Starlette
) -> None:
    sandbox.state.issuer().rotate_keys()
    assert sdk.idp.introspect_access_token_local(tokens["access_token"]) is not None


async def test_the_sdk_refuses_an_id_token(sdk: stytch.Client, tokens: dict[str, str]) -> None:
    assert sdk.idp.introspect_access_token_local(tokens["id_token"]) is None


async def test_the_sdk_introspects_over_the_network(
    sdk: stytch.Client, tokens: dict[str, str], app: OAuthClient
) -> None:
    for name in ("access_token", "refresh_token"):
        claims = sdk.idp.introspect_token_network(tokens[name], app.client_id, app.secret)
        assert claims is not None
        assert claims.subject == ADA
        assert claims.token_type == name
