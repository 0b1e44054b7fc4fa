"""The issuer describes itself and its keys, also to clients in browsers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import jwt
import pytest
from starlette.applications import Starlette

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_mcp.sandbox.oauth.issuer import Issuer

from .flow import ORIGIN, OAuthClient

Connect = Callable[..., Awaitable[httpx2.AsyncClient]]
JWKS = f"{ORIGIN}/.well-known/jwks.json"
BROWSER = {"origin": "https://inspector.example"}


@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
async def test_the_issuer_describes_itself(app: OAuthClient, name: str) -> None:
    described = (await app.http.get(f"{ORIGIN}/.well-known/{name}")).json()
    assert described["issuer"] == ORIGIN
    assert described["code_challenge_methods_supported"] == ["S256"]
    assert described["authorization_response_iss_parameter_supported"]
    assert described["client_id_metadata_document_supported"]
    scopes = ["openid", "profile", "email", "offline_access", "apps:read"]
    assert described["scopes_supported"] == scopes


async def test_every_endpoint_that_is_described_exists(app: OAuthClient) -> None:
    described = (await app.http.get(f"{ORIGIN}/.well-known/oauth-authorization-server")).json()
    endpoints = [url for name, url in described.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 7
    for url in endpoints:
        responses = [await app.http.request(method, url) for method in ("GET", "POST")]
        assert {each.status_code for each in responses} - {404, 405}


async def test_an_issuer_with_a_url_of_its_own_does_not_ask_the_request(
    connect: Connect, sandbox: Starlette
) -> None:
    issuer = Issuer(sandbox.state.project, "https://issuer.example/")
    client = await connect(Starlette(routes=issuer.routes()))
    url = f"{ORIGIN}/.well-known/openid-configuration"
    assert (await client.get(url)).json()["issuer"] == "https://issuer.example"


async def test_a_mounted_issuer_reports_errors_in_the_oauth_shape(
    connect: Connect, sandbox: Starlette
) -> None:
    client = await connect(Starlette(routes=Issuer(sandbox.state.project).routes()), None)
    for endpoint in ("token", "introspect", "revoke", "userinfo", "register"):
        response = await client.post(f"{ORIGIN}/v1/oauth2/{endpoint}")
        assert response.status_code in {400, 401}
        assert response.json()["error"]


async def test_the_keys_are_public_and_the_same_each_time(app: OAuthClient) -> None:
    first, second = [(await app.http.get(JWKS)).json() for _ in range(2)]
    assert first == second
    (key,) = first["keys"]
    assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}


async def test_after_a_rotation_a_new_key_signs_and_the_former_stays(
    app: OAuthClient, sandbox: Starlette
) -> None:
    former = jwt.get_unverified_header((await app.tokens())["access_token"])["kid"]
    sandbox.state.issuer().rotate_keys()
    current = jwt.get_unverified_header((await app.tokens())["access_token"])["kid"]
    published = [key["kid"] for key in (await app.http.get(JWKS)).json()["keys"]]
    assert published == [current, former]


async def test_each_issuer_has_its_own_key(app: OAuthClient, connect: Connect) -> None:
    other = await connect(create_sandbox())
    assert (await app.http.get(JWKS)).json() != (await other.get(JWKS)).json()


async def test_official_sdks_find_the_keys(app: OAuthClient) -> None:
    path = f"/v1/sessions/jwks/{SANDBOX_CREDENTIALS.project_id}"
    assert (await app.http.get(ORIGIN + path)).json() == (await app.http.get(JWKS)).json()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/.well-known/oauth-authorization-server"),
        ("GET", "/.well-known/openid-configuration"),
        ("GET", "/.well-known/jwks.json"),
        ("POST", "/v1/oauth2/token"),
        ("POST", "/v1/oauth2/register"),
        ("POST", "/v1/oauth2/revoke"),
        ("GET", "/v1/oauth2/userinfo"),
    ],
)
async def test_a_client_in_a_browser_may_read(app: OAuthClient, method: str, path: str) -> None:
    asked = {
        "access-control-request-method": method,
        "access-control-request-headers": "authorization, content-type, mcp-protocol-version",
    }
    preflight = await app.http.options(ORIGIN + path, headers=BROWSER | asked)
    assert preflight.status_code == 200
    response = await app.http.request(method, ORIGIN + path, headers=BROWSER)
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


async def test_no_other_site_may_read_the_consent_page(app: OAuthClient) -> None:
    app.http.headers.update(BROWSER)
    assert "access-control-allow-origin" not in (await app.ask()).headers
