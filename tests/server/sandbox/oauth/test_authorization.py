"""The authorization endpoint asks a person, and tells only a trusted redirect URI."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.oauth import authorization
from connected_apps_mcp.sandbox.seeds.seed import Seed

from .conftest import ADA, GRACE, Register
from .flow import CHALLENGE, LOOPBACK, ORIGIN, OAuthClient, answer_of, consent_id


async def granted(api: httpx2.AsyncClient, user: str) -> dict[str, str]:
    response = await api.get(f"/users/{user}/connected_apps")
    apps = response.json()["connected_apps"]
    return {each["connected_app_id"]: each["scopes_granted"] for each in apps}


async def test_consent_gives_a_code_the_state_and_the_issuer(app: OAuthClient) -> None:
    answer = answer_of(await app.decide(await app.ask()))
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["state"] == "the-state"
    assert answer["iss"] == ORIGIN


async def test_an_app_without_a_state_gets_none(app: OAuthClient) -> None:
    answer = answer_of(await app.decide(await app.ask(state=None)))
    assert "state" not in answer


async def test_consent_is_a_grant_of_the_first_user(
    app: OAuthClient, api: httpx2.AsyncClient
) -> None:
    await app.code(scope="openid apps:read")
    assert await granted(api, ADA) == {app.client_id: "openid apps:read"}


async def test_the_form_may_name_another_user(app: OAuthClient, api: httpx2.AsyncClient) -> None:
    await app.code(subject=GRACE)
    assert app.client_id in await granted(api, GRACE)
    assert not await granted(api, ADA)


async def test_an_unknown_user_cannot_consent(app: OAuthClient) -> None:
    response = await app.decide(await app.ask(), subject="user-test-unknown")
    assert response.status_code == 400


async def test_without_consent_there_is_no_grant(app: OAuthClient, api: httpx2.AsyncClient) -> None:
    answer = answer_of(await app.decide(await app.ask(), decision="deny"))
    assert answer["error"] == "access_denied"
    assert not await granted(api, ADA)


async def test_a_page_can_be_answered_once(app: OAuthClient) -> None:
    page = await app.ask()
    await app.decide(page)
    again = await app.decide(page)
    assert again.status_code == 400
    assert "location" not in again.headers


async def test_an_invented_consent_is_refused(app: OAuthClient) -> None:
    form = {"consent": "invented", "decision": "allow"}
    response = await app.http.post(f"{ORIGIN}/oauth/authorize", data=form)
    assert response.status_code == 400


async def test_an_old_page_has_expired(app: OAuthClient, monkeypatch: pytest.MonkeyPatch) -> None:
    page = await app.ask()
    monkeypatch.setattr(authorization, "CONSENT_SECONDS", -1.0)
    assert (await app.decide(page)).status_code == 400


async def test_a_request_too_many_replaces_the_oldest(
    app: OAuthClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization, "MAX_PENDING", 2)
    oldest, _, newest = [await app.ask() for _ in range(3)]
    assert (await app.decide(oldest)).status_code == 400
    assert (await app.decide(newest)).status_code == 303


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "openid unknown"}, "invalid_scope"),
        ({"resource": "not-a-url"}, "invalid_target"),
        ({"resource": "https://mcp.example/#part"}, "invalid_target"),
        ({"resource": "https://[broken"}, "invalid_target"),
        ({"prompt": "none"}, "consent_required"),
        ({"scope": ["openid", "email"]}, "invalid_request"),
    ],
)
async def test_the_app_learns_what_is_wrong(
    app: OAuthClient, changed: dict[str, Any], error: str
) -> None:
    answer = answer_of(await app.ask(**changed))
    assert answer["error"] == error
    assert answer["state"] == "the-state"
    assert answer["iss"] == ORIGIN


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "connected-app-test-unknown"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": "https://app.example/callback/"},
        {"redirect_uri": "https://app.example/callback?more"},
        {"redirect_uri": "https://app.example:8443/callback"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:80@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:3000/other"},
        {"redirect_uri": "http://localhost:3000/callback"},
        {"state": ["one", "two"]},
        {"state": "x" * 20_000},
    ],
)
async def test_nothing_is_sent_to_a_redirect_uri_that_is_not_trusted(
    app: OAuthClient, changed: dict[str, Any]
) -> None:
    response = await app.ask(**changed)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/html")
    assert "location" not in response.headers


@pytest.mark.parametrize("port", ["", ":1", ":49152"])
async def test_a_loopback_redirect_may_use_any_port(app: OAuthClient, port: str) -> None:
    app.redirect_uri = LOOPBACK.replace("127.0.0.1", f"127.0.0.1{port}")
    response = await app.decide(await app.ask())
    assert response.headers["location"].startswith(f"{app.redirect_uri}?code=")
    assert (await app.redeem(answer_of(response)["code"])).status_code == 200


async def test_a_query_of_the_redirect_uri_stays(register: Register) -> None:
    app = await register(redirect_urls=["https://app.example/?tenant=1"])
    app.redirect_uri = "https://app.example/?tenant=1"
    response = await app.decide(await app.ask())
    assert response.headers["location"].startswith("https://app.example/?tenant=1&code=")


@pytest.mark.parametrize("client_type", ["first_party", "first_party_public"])
async def test_a_first_party_app_asks_too(register: Register, client_type: str) -> None:
    app = await register(client_type=client_type)
    assert consent_id(await app.ask())


async def test_an_app_deleted_meanwhile_gets_no_code(
    app: OAuthClient, api: httpx2.AsyncClient
) -> None:
    page = await app.ask()
    await api.delete(f"/connected_apps/clients/{app.client_id}")
    assert (await app.decide(page)).status_code == 400


async def test_the_page_shows_a_stranger_s_text_as_text(register: Register) -> None:
    app = await register(client_name='<script>alert("1")</script>', client_description="<b>&")
    page = (await app.ask()).text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;&amp;" in page


async def test_the_page_shows_a_long_text_in_part(register: Register) -> None:
    app = await register(client_name="x" * 10_000)
    assert len((await app.ask()).text) < 4_000


async def test_the_page_allows_no_script_and_no_frame(app: OAuthClient) -> None:
    page = await app.ask()
    policy = page.headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' https:"
    )
    assert page.headers["cache-control"] == "no-store"


async def test_the_page_names_the_scopes_the_resource_the_app_and_its_host(
    app: OAuthClient,
) -> None:
    page = (await app.ask(scope="openid apps:read", resource="https://mcp.example")).text
    for text in (
        "apps:read",
        "https://mcp.example",
        app.client_id,
        "https://app.example",
        "ada",
        "grace",
    ):
        assert text in page


async def test_an_error_page_repeats_nothing(app: OAuthClient) -> None:
    page = await app.ask(redirect_uri="https://evil.example/<script>")
    assert "evil" not in page.text


async def test_an_empty_project_gets_a_user(register: Register, sandbox: Starlette) -> None:
    with sandbox.state.project.database.transaction() as connection:
        connection.execute("DELETE FROM subject")
    app = await register()
    tokens = await app.tokens()
    assert (await app.introspect(tokens["access_token"]))["sub"].startswith("user-test-")


async def test_a_challenge_is_remembered_for_its_own_request(app: OAuthClient) -> None:
    code = await app.code(code_challenge=CHALLENGE[::-1])
    assert (await app.redeem(code)).status_code == 400


async def test_seeded_users_come_in_the_order_of_the_seed(
    app: OAuthClient, sandbox: Starlette
) -> None:
    seed(sandbox, Seed.model_validate({"users": [{"user_id": "user-test-aaa"}]}))
    page = (await app.ask()).text
    assert page.index(ADA) < page.index(GRACE) < page.index("user-test-aaa")
