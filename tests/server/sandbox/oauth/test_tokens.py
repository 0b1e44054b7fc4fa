"""A code becomes tokens once, and tokens end when they should."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import jwt
import pytest
from starlette.applications import Starlette

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS
from connected_apps_mcp.sandbox.state.tokens import Token

from .conftest import ADA, GRACE, Register
from .flow import ORIGIN, OAuthClient

PROJECT = SANDBOX_CREDENTIALS.project_id
OFFLINE = "openid offline_access apps:read"


async def claims(app: OAuthClient, token: str, audience: str = PROJECT) -> dict[str, Any]:
    """The claims of a token, verified with the published keys."""
    keys = jwt.PyJWKSet.from_dict((await app.http.get(f"{ORIGIN}/.well-known/jwks.json")).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    decoded: dict[str, Any] = jwt.decode(
        token, key, algorithms=["RS256"], audience=audience, issuer=ORIGIN
    )
    return decoded


def refused(response: httpx2.Response, error: str, status: int = 400) -> bool:
    body = response.json()
    assert body.keys() >= {"error", "error_description", "request_id"}
    assert body["status_code"] == response.status_code
    return bool((response.status_code, body["error"]) == (status, error))


async def test_a_code_becomes_an_access_token_and_an_id_token(app: OAuthClient) -> None:
    tokens = await app.tokens("openid apps:read")
    assert tokens["token_type"] == "bearer"
    assert tokens["scope"] == "openid apps:read"
    assert tokens["expires_in"] == 3600
    assert tokens["id_token"]
    assert "refresh_token" not in tokens


async def test_without_openid_there_is_no_id_token(app: OAuthClient) -> None:
    assert "id_token" not in await app.tokens("apps:read")


async def test_tokens_must_not_be_cached(app: OAuthClient) -> None:
    assert (await app.redeem(await app.code())).headers["cache-control"] == "no-store"


async def test_an_access_token_says_for_whom_and_what_it_is(app: OAuthClient) -> None:
    tokens = await app.tokens("apps:read")
    found = await claims(app, tokens["access_token"])
    assert found["exp"] - found["iat"] == 3600
    assert found["nbf"] == found["iat"]
    assert found["jti"]
    assert (
        found.items()
        >= {
            "iss": ORIGIN,
            "sub": ADA,
            "aud": [PROJECT],
            "client_id": app.client_id,
            "scope": "apps:read",
        }.items()
    )


async def test_an_app_decides_how_long_its_access_tokens_live(register: Register) -> None:
    app = await register(access_token_expiry_minutes=5)
    assert (await app.tokens())["expires_in"] == 300


async def test_the_audience_has_the_app_s_own_and_the_requested_resources(
    register: Register,
) -> None:
    app = await register(access_token_custom_audience="https://api.example")
    tokens = await app.tokens(resource=["https://mcp.example/mcp", "https://api.example"])
    found = await claims(app, tokens["access_token"])
    assert found["aud"] == [PROJECT, "https://api.example", "https://mcp.example/mcp"]


async def test_a_token_request_may_choose_among_the_authorized_resources(app: OAuthClient) -> None:
    code = await app.code(resource=["https://one.example", "https://two.example"])
    tokens = (await app.redeem(code, resource="https://two.example")).json()
    assert (await claims(app, tokens["access_token"]))["aud"] == [PROJECT, "https://two.example"]


async def test_a_token_request_cannot_add_a_resource(app: OAuthClient) -> None:
    code = await app.code(resource="https://one.example")
    assert refused(await app.redeem(code, resource="https://two.example"), "invalid_target")


async def test_an_id_token_is_for_the_app(app: OAuthClient) -> None:
    tokens = await app.tokens("openid profile email", nonce="the-nonce")
    found = await claims(app, tokens["id_token"], app.client_id)
    expected = {
        "sub": ADA,
        "aud": [app.client_id],
        "nonce": "the-nonce",
        "name": "ada",
        "email": "ada@sandbox.example",
    }
    assert found.items() >= expected.items()


async def test_the_scopes_decide_what_an_id_token_says(app: OAuthClient) -> None:
    found = await claims(app, (await app.tokens("openid"))["id_token"], app.client_id)
    assert not found.keys() & {"name", "email", "email_verified"}


async def test_a_code_works_once(app: OAuthClient) -> None:
    code = await app.code()
    assert (await app.redeem(code)).status_code == 200
    assert refused(await app.redeem(code), "invalid_grant")


async def test_of_many_uses_at_once_one_succeeds(app: OAuthClient) -> None:
    code = await app.code()
    async with anyio.create_task_group() as group:
        statuses: list[int] = []

        async def redeem() -> None:
            statuses.append((await app.redeem(code)).status_code)

        for _ in range(8):
            group.start_soon(redeem)
    assert sorted(statuses) == [200, *[400] * 7]


async def test_a_second_use_of_a_code_revokes_the_tokens_of_the_first(app: OAuthClient) -> None:
    code = await app.code(scope=OFFLINE)
    tokens = (await app.redeem(code)).json()
    await app.redeem(code)
    assert not await app.is_active(tokens["access_token"])
    assert refused(await app.refresh(tokens["refresh_token"]), "invalid_grant")


async def test_the_tokens_of_other_codes_survive_that(app: OAuthClient) -> None:
    other = await app.tokens()
    code = await app.code()
    for _ in range(2):
        await app.redeem(code)
    assert await app.is_active(other["access_token"])


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "another-verifier"},
        {"code_verifier": ""},
        {"redirect_uri": "https://app.example/other"},
        {"code": "unknown"},
    ],
)
async def test_a_code_needs_its_verifier_and_its_redirect_uri(
    app: OAuthClient, changed: dict[str, str]
) -> None:
    code = await app.code()
    assert refused(await app.redeem(**{"code": code, **changed}), "invalid_grant")


async def test_a_refused_attempt_does_not_use_the_code_up(app: OAuthClient) -> None:
    code = await app.code()
    await app.redeem(code, code_verifier="another-verifier")
    assert (await app.redeem(code)).status_code == 200


async def test_a_code_of_another_app_is_refused(app: OAuthClient, register: Register) -> None:
    other = await register()
    code = await app.code()
    assert refused(await other.redeem(code), "invalid_grant")
    assert (await app.redeem(code)).status_code == 200


async def test_an_expired_code_is_refused(app: OAuthClient, sandbox: Starlette) -> None:
    await app.tokens()
    expired = Token("code", "family", ADA, app.client_id, 1, {})
    with sandbox.state.project.tokens() as tokens:
        tokens.add("expired", expired)
    assert refused(await app.redeem("expired"), "invalid_grant")


async def test_expired_tokens_are_forgotten(app: OAuthClient, sandbox: Starlette) -> None:
    await app.tokens()
    project = sandbox.state.project
    with project.tokens() as tokens:
        tokens.add("expired", Token("access", "family", ADA, app.client_id, 1, {}))
    await app.code()
    with project.database.transaction() as connection:
        ends = connection.execute("SELECT min(expires_at) FROM oauth_token").fetchone()
    assert ends[0] > 1


@pytest.mark.parametrize("grant", ["client_credentials", "password", "implicit"])
async def test_other_grants_are_not_supported(app: OAuthClient, grant: str) -> None:
    assert refused(await app.post("token", grant_type=grant), "unsupported_grant_type")


async def test_a_missing_parameter_is_named(app: OAuthClient) -> None:
    response = await app.post("token")
    assert refused(response, "invalid_request")
    assert "grant_type" in response.json()["error_description"]


async def test_a_repeated_parameter_is_refused(app: OAuthClient) -> None:
    assert refused(await app.redeem(await app.code(), code_verifier=["a", "b"]), "invalid_request")


async def test_the_token_endpoint_takes_json_too(app: OAuthClient) -> None:
    form = {"client_id": app.client_id, "client_secret": app.secret, "grant_type": "nothing"}
    response = await app.http.post(f"{ORIGIN}/v1/oauth2/token", json=form)
    assert refused(response, "unsupported_grant_type")


@pytest.mark.parametrize("body", ["[]", "{", '{"a": 1}', '{"a": "\\ud800"}'])
async def test_broken_json_is_refused(app: OAuthClient, body: str) -> None:
    headers = {"content-type": "application/json"}
    url = f"{ORIGIN}/v1/oauth2/token"
    response = await app.http.post(url, content=body, headers=headers)
    assert refused(response, "invalid_request")


async def test_a_large_form_is_refused(app: OAuthClient) -> None:
    assert refused(await app.post("token", grant_type="x" * 70_000), "bad_request")


async def test_only_offline_access_gives_a_refresh_token(app: OAuthClient) -> None:
    assert "refresh_token" in await app.tokens(OFFLINE)
    assert "refresh_token" not in await app.tokens("openid")


async def test_a_refresh_token_gives_new_tokens_of_the_same_scope(public_app: OAuthClient) -> None:
    first = await public_app.tokens(OFFLINE, resource="https://mcp.example")
    second = (await public_app.refresh(first["refresh_token"])).json()
    assert second["scope"] == OFFLINE
    assert second["access_token"] != first["access_token"]
    assert second["id_token"]
    found = await claims(public_app, second["access_token"])
    assert found["aud"] == [PROJECT, "https://mcp.example"]


async def test_a_refresh_may_ask_for_less(public_app: OAuthClient) -> None:
    first = await public_app.tokens(OFFLINE)
    narrow = (await public_app.refresh(first["refresh_token"], scope="apps:read")).json()
    assert narrow["scope"] == "apps:read"
    wide = (await public_app.refresh(narrow["refresh_token"])).json()
    assert wide["scope"] == OFFLINE


async def test_a_refresh_cannot_ask_for_more(public_app: OAuthClient) -> None:
    first = await public_app.tokens("offline_access")
    response = await public_app.refresh(first["refresh_token"], scope="apps:read")
    assert refused(response, "invalid_scope")
    assert (await public_app.refresh(first["refresh_token"])).status_code == 200


async def test_a_public_app_gets_a_new_refresh_token_each_time(public_app: OAuthClient) -> None:
    first = await public_app.tokens(OFFLINE)
    second = (await public_app.refresh(first["refresh_token"])).json()
    third = (await public_app.refresh(second["refresh_token"])).json()
    tokens = {each["refresh_token"] for each in (first, second, third)}
    assert len(tokens) == 3


async def test_a_second_use_of_a_refresh_token_revokes_all(public_app: OAuthClient) -> None:
    first = await public_app.tokens(OFFLINE)
    second = (await public_app.refresh(first["refresh_token"])).json()
    assert refused(await public_app.refresh(first["refresh_token"]), "invalid_grant")
    assert refused(await public_app.refresh(second["refresh_token"]), "invalid_grant")
    assert not await public_app.is_active(second["access_token"])


async def test_a_confidential_app_keeps_its_refresh_token(app: OAuthClient) -> None:
    first = await app.tokens(OFFLINE)
    for _ in range(2):
        again = await app.refresh(first["refresh_token"])
        assert again.status_code == 200
        assert "refresh_token" not in again.json()


async def test_a_refresh_token_of_another_app_is_refused(
    app: OAuthClient, register: Register
) -> None:
    other = await register()
    tokens = await app.tokens(OFFLINE)
    assert refused(await other.refresh(tokens["refresh_token"]), "invalid_grant")


async def test_an_access_token_is_no_refresh_token(app: OAuthClient) -> None:
    tokens = await app.tokens(OFFLINE)
    assert refused(await app.refresh(tokens["access_token"]), "invalid_grant")


async def test_introspection_describes_an_access_token(app: OAuthClient) -> None:
    tokens = await app.tokens("openid apps:read")
    found = await app.introspect(tokens["access_token"])
    decoded = await claims(app, tokens["access_token"])
    assert found.items() >= {**decoded, "active": True, "token_type": "access_token"}.items()


async def test_introspection_describes_a_refresh_token(app: OAuthClient) -> None:
    tokens = await app.tokens(OFFLINE)
    found = await app.introspect(tokens["refresh_token"])
    expected = {"active": True, "token_type": "refresh_token", "scope": OFFLINE, "sub": ADA}
    assert found.items() >= expected.items()


async def test_an_inactive_token_is_not_described(app: OAuthClient) -> None:
    found = await app.introspect("unknown")
    assert found.keys() == {"active", "status_code", "request_id"}


async def test_a_code_is_not_active(app: OAuthClient) -> None:
    assert not await app.is_active(await app.code())


async def test_a_used_refresh_token_is_not_active(public_app: OAuthClient) -> None:
    tokens = await public_app.tokens(OFFLINE)
    await public_app.refresh(tokens["refresh_token"])
    assert not await public_app.is_active(tokens["refresh_token"])


async def test_a_revoked_access_token_is_not_active(app: OAuthClient) -> None:
    tokens = await app.tokens(OFFLINE)
    assert (await app.post("revoke", token=tokens["access_token"])).status_code == 200
    assert not await app.is_active(tokens["access_token"])
    assert await app.is_active(tokens["refresh_token"])


async def test_revoking_a_refresh_token_revokes_its_access_tokens(app: OAuthClient) -> None:
    tokens = await app.tokens(OFFLINE)
    assert (await app.post("revoke", token=tokens["refresh_token"])).status_code == 200
    assert not await app.is_active(tokens["access_token"])
    assert not await app.is_active(tokens["refresh_token"])


async def test_revoking_an_unknown_token_succeeds(app: OAuthClient) -> None:
    assert (await app.post("revoke", token="unknown")).status_code == 200


async def test_an_app_cannot_revoke_another_app_s_token(
    app: OAuthClient, register: Register
) -> None:
    other = await register()
    tokens = await app.tokens()
    assert refused(await other.post("revoke", token=tokens["access_token"]), "invalid_grant")
    assert await app.is_active(tokens["access_token"])


async def test_revoking_the_grant_ends_its_tokens(
    app: OAuthClient, api: httpx2.AsyncClient
) -> None:
    tokens = await app.tokens(OFFLINE)
    other = await app.tokens(OFFLINE, subject=GRACE)
    revoked = await api.post(f"/users/{ADA}/connected_apps/{app.client_id}/revoke", json={})
    assert revoked.status_code == 200
    assert not await app.is_active(tokens["access_token"])
    assert refused(await app.refresh(tokens["refresh_token"]), "invalid_grant")
    assert await app.is_active(other["access_token"])


async def test_deleting_the_app_ends_its_tokens(
    app: OAuthClient, register: Register, api: httpx2.AsyncClient
) -> None:
    other = await register()
    tokens = await app.tokens(OFFLINE)
    assert (await api.delete(f"/connected_apps/clients/{app.client_id}")).status_code == 200
    assert not await other.is_active(tokens["access_token"])
    assert refused(await app.refresh(tokens["refresh_token"]), "invalid_client", 401)


async def test_a_reset_ends_all_tokens(app: OAuthClient, api: httpx2.AsyncClient) -> None:
    await app.tokens(OFFLINE)
    assert (await api.post(f"{ORIGIN}/sandbox/reset", json={})).status_code == 200
    assert (await app.ask()).status_code == 400


async def test_userinfo_says_what_the_scopes_allow(app: OAuthClient) -> None:
    tokens = await app.tokens("openid profile email")
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    for method in ("GET", "POST"):
        response = await app.http.request(method, f"{ORIGIN}/v1/oauth2/userinfo", headers=headers)
        expected = {"sub": ADA, "name": "ada", "email_verified": True}
        assert response.json().items() >= expected.items()


@pytest.mark.parametrize("header", ["Bearer unknown", "Bearer", "Basic eDp5", ""])
async def test_userinfo_refuses_other_tokens(app: OAuthClient, header: str) -> None:
    response = await app.http.get(f"{ORIGIN}/v1/oauth2/userinfo", headers={"authorization": header})
    assert refused(response, "invalid_token", 401)
    assert response.headers["www-authenticate"].startswith("Bearer ")


async def test_userinfo_needs_openid(app: OAuthClient) -> None:
    tokens = await app.tokens("apps:read")
    response = await app.http.get(
        f"{ORIGIN}/v1/oauth2/userinfo",
        headers={"authorization": f"Bearer {tokens['access_token']}"},
    )
    assert refused(response, "insufficient_scope", 403)


async def test_both_secrets_work_during_a_rotation(
    app: OAuthClient, api: httpx2.AsyncClient
) -> None:
    path = f"/connected_apps/clients/{app.client_id}/secrets/rotate"
    started = (await api.post(f"{path}/start", json={})).json()["connected_app"]
    assert await app.tokens()
    former, app.secret = app.secret, started["next_client_secret"]
    assert await app.tokens()
    await api.post(path, json={})
    assert await app.tokens()
    app.secret = former
    assert refused(await app.redeem(await app.code()), "invalid_client", 401)


async def test_the_secret_may_be_in_the_header(app: OAuthClient) -> None:
    assert app.secret is not None
    form = {"grant_type": "refresh_token", "refresh_token": "unknown"}
    response = await app.http.post(
        f"{ORIGIN}/v1/oauth2/token", data=form, auth=(app.client_id, app.secret)
    )
    assert refused(response, "invalid_grant")


@pytest.mark.parametrize("secret", [None, "", "wrong"])
async def test_a_confidential_app_needs_its_secret(app: OAuthClient, secret: str | None) -> None:
    code = await app.code()
    app.secret = secret
    assert refused(await app.redeem(code), "invalid_client", 401)


async def test_a_public_app_needs_no_secret(public_app: OAuthClient) -> None:
    assert public_app.secret is None
    assert await public_app.tokens()
