import logging
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
import httpx2
import pytest
from pydantic import SecretStr
from server.auth.fake_issuer import CLAIMS, ISSUER, NOW, FakeIssuer, Setup, changed, token
from server.auth.refused import reason_for

from connected_apps_mcp.auth import (
    IntrospectionCredentials,
    Reason,
    TrustedIssuer,
)
from connected_apps_mcp.auth.issuers import introspection
from connected_apps_tools.scopes import Scope

OPAQUE = "opaque-canary-81kQ0pLm27"
SECRET = "s3cret:/+ canary"
PATH = "/introspect"


class Introspecting(Setup):
    """A verifier that asks the fake issuer about opaque tokens."""

    def __init__(self) -> None:
        super().__init__(
            introspection=IntrospectionCredentials("server 1", SecretStr(SECRET)),
        )
        self.response: dict[str, Any] = CLAIMS | {"active": True, "token_type": "Bearer"}
        self.issuer.responses[PATH] = self._introspect

    async def _introspect(self, _: httpx2.Request) -> httpx2.Response:
        await anyio.lowlevel.checkpoint()
        return httpx2.Response(200, json=self.response)

    @property
    def asked(self) -> int:
        """How often the issuer was asked about a token."""
        return self.issuer.paths.count(PATH)


@pytest.fixture
def setup() -> Introspecting:
    """A verifier that introspects."""
    return Introspecting()


async def test_an_active_token_names_its_caller(setup: Introspecting) -> None:
    verified = await setup.verifier.check(OPAQUE)
    assert (verified.caller.subject, verified.caller.issuer) == ("user-1", ISSUER)
    assert verified.caller.scopes == frozenset({Scope.APPS_READ, Scope.APPS_WRITE})
    assert OPAQUE not in repr(verified)


async def test_the_server_authenticates_and_sends_the_token_in_the_body(
    setup: Introspecting,
) -> None:
    await setup.verifier.check(OPAQUE)
    request = setup.issuer.requests[-1]
    scheme, _, credentials = request.headers["authorization"].partition(" ")
    assert (scheme, b64decode(credentials)) == ("Basic", b"server+1:s3cret%3A%2F%2B+canary")
    form = parse_qs(request.content.decode())
    assert form == {"token": [OPAQUE], "token_type_hint": ["access_token"]}


async def test_a_jwt_is_not_introspected(setup: Introspecting) -> None:
    await setup.verifier.check(token())
    assert await reason_for(setup, token(exp=NOW)) is Reason.EXPIRED
    assert not setup.asked


BAD: dict[str, tuple[dict[str, Any], Reason]] = {
    "not active": ({"active": False}, Reason.INACTIVE),
    "active in words": ({"active": "true"}, Reason.INACTIVE),
    "active as a number": ({"active": 1}, Reason.INACTIVE),
    "active is null": ({"active": None}, Reason.INACTIVE),
    "no active": ({"active": ...}, Reason.INACTIVE),
    "another issuer": ({"iss": "https://evil.example"}, Reason.UNKNOWN_ISSUER),
    "an issuer that is no text": ({"iss": [ISSUER]}, Reason.UNKNOWN_ISSUER),
    "no issuer at all": ({"iss": None}, Reason.UNKNOWN_ISSUER),
    "expired": ({"exp": NOW}, Reason.EXPIRED),
    "no end": ({"exp": ...}, Reason.MALFORMED),
    "an end in words": ({"exp": str(NOW + 60)}, Reason.MALFORMED),
    "not yet valid": ({"nbf": NOW + 31}, Reason.NOT_YET_VALID),
    "another audience": ({"aud": "https://other.example"}, Reason.WRONG_AUDIENCE),
    "no audience": ({"aud": ...}, Reason.WRONG_AUDIENCE),
    "a refresh token": ({"token_type": "refresh_token"}, Reason.NOT_AN_ACCESS_TOKEN),
    "a refresh token of Keycloak": ({"typ": "Refresh"}, Reason.NOT_AN_ACCESS_TOKEN),
    "no type": ({"token_type": ...}, Reason.NOT_AN_ACCESS_TOKEN),
    "a proof is needed": ({"token_type": "DPoP"}, Reason.NOT_AN_ACCESS_TOKEN),
    "a certificate is needed": ({"cnf": {"x5t#S256": "x"}}, Reason.SENDER_CONSTRAINED),
    "no holder": ({"sub": ..., "client_id": ...}, Reason.NO_HOLDER),
    "a name that is no text": ({"sub": 5}, Reason.MALFORMED),
}


@pytest.mark.parametrize("name", BAD)
async def test_an_opaque_token_is_refused_with_its_reason(name: str, setup: Introspecting) -> None:
    changes, reason = BAD[name]
    setup.response = changed(setup.response, changes)
    assert await reason_for(setup, OPAQUE) is reason


async def test_the_response_need_not_name_the_issuer(setup: Introspecting) -> None:
    del setup.response["iss"]
    assert (await setup.verifier.check(OPAQUE)).caller.issuer == ISSUER


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 500, 503])
async def test_an_issuer_that_does_not_say_lets_no_caller_in(
    status: int, setup: Introspecting
) -> None:
    setup.issuer.responses[PATH] = httpx2.Response(
        status, headers={"location": f"{ISSUER}/other"}, json=setup.response
    )
    assert await reason_for(setup, OPAQUE) is Reason.ISSUER_UNAVAILABLE
    assert setup.issuer.paths[-1] == PATH


@pytest.mark.usefixtures("short_timeouts")
async def test_an_issuer_that_hangs_lets_no_caller_in(setup: Introspecting) -> None:
    async def hang(_: httpx2.Request) -> httpx2.Response:
        await anyio.sleep(20)
        return httpx2.Response(200, json=setup.response)

    setup.issuer.responses[PATH] = hang
    assert await reason_for(setup, OPAQUE) is Reason.ISSUER_UNAVAILABLE


async def test_a_flood_of_false_tokens_takes_some_connections_and_gives_up(
    setup: Introspecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "FETCH_SECONDS", 0.02)
    open_at_once = [0]

    async def hang(_: httpx2.Request) -> httpx2.Response:
        open_at_once.append(open_at_once[-1] + 1)
        try:
            await anyio.sleep(20)
        finally:
            open_at_once.append(open_at_once[-1] - 1)
        return httpx2.Response(200)

    setup.issuer.responses[PATH] = hang
    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(setup.verifier.verify_token, f"false{number}")
    assert 1 < max(open_at_once) <= introspection.MAX_IN_FLIGHT


@pytest.mark.parametrize("url", [None, "http://issuer.example/introspect", "http://127.0.0.1/x"])
async def test_the_secret_goes_to_no_unsafe_place(url: Any, setup: Introspecting) -> None:
    setup.issuer.metadata["introspection_endpoint"] = url
    assert await reason_for(setup, OPAQUE) is Reason.ISSUER_UNAVAILABLE
    assert not any("authorization" in request.headers for request in setup.issuer.requests)


async def test_a_token_is_asked_about_once_in_half_a_minute(setup: Introspecting) -> None:
    for seconds, asked in [(0, 1), (29, 1), (1, 2), (29, 2)]:
        setup.later(seconds)
        await setup.verifier.check(OPAQUE)
        assert setup.asked == asked


async def test_a_token_that_is_revoked_counts_for_half_a_minute_at_most(
    setup: Introspecting,
) -> None:
    await setup.verifier.check(OPAQUE)
    setup.response = {"active": False}
    setup.later(30)
    assert await reason_for(setup, OPAQUE) is Reason.INACTIVE


async def test_a_token_never_counts_beyond_its_end(setup: Introspecting) -> None:
    setup.response["exp"] = NOW + 10
    await setup.verifier.check(OPAQUE)
    setup.later(10)
    assert await reason_for(setup, OPAQUE) is Reason.EXPIRED
    assert setup.asked == 1


async def test_a_refused_token_is_asked_about_again_after_five_seconds(
    setup: Introspecting,
) -> None:
    good, setup.response = setup.response, {"active": False}
    assert await reason_for(setup, OPAQUE) is Reason.INACTIVE
    setup.response = good
    setup.later(4)
    assert await reason_for(setup, OPAQUE) is Reason.INACTIVE
    setup.later(1)
    assert await setup.verifier.check(OPAQUE)


async def test_64_callers_with_one_token_cause_one_request(setup: Introspecting) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(64):
            group.start_soon(setup.verifier.check, OPAQUE)
    assert setup.asked == 1


async def test_each_token_has_its_own_response(setup: Introspecting) -> None:
    await setup.verifier.check(OPAQUE)
    setup.response["sub"] = "user-2"
    assert (await setup.verifier.check(f"{OPAQUE}2")).subject == "user-2"
    assert (await setup.verifier.check(OPAQUE)).subject == "user-1"


async def test_false_tokens_push_out_the_token_that_was_used_least_recently(
    setup: Introspecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MAX_ENTRIES", 10)
    await setup.verifier.check(OPAQUE)
    for number in range(9):
        await setup.verifier.check(f"false{number}")
    await setup.verifier.check(OPAQUE)  # still there
    assert setup.asked == 10
    await setup.verifier.check("one-more")
    await setup.verifier.check(OPAQUE)
    assert setup.asked == 10 + 1
    await setup.verifier.check("false0")
    assert setup.asked == 10 + 2


async def test_neither_the_token_nor_the_secret_is_logged(
    setup: Introspecting, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await setup.verifier.verify_token(OPAQUE)
        setup.issuer.responses[PATH] = httpx2.Response(500)
        await setup.verifier.verify_token(f"{OPAQUE}2")
    assert "did not introspect a token: status 500." in caplog.text
    assert "canary" not in caplog.text


async def test_the_issuer_that_is_named_is_asked() -> None:
    other = TrustedIssuer("https://other.example")
    credentials = IntrospectionCredentials("server", SecretStr(SECRET), ISSUER)
    issuers = (other, TrustedIssuer(ISSUER))
    setup = Setup(FakeIssuer(), issuers=issuers, introspection=credentials)
    response = CLAIMS | {"active": True, "token_type": "bearer"}
    setup.issuer.responses[PATH] = httpx2.Response(200, json=response)
    assert (await setup.verifier.check(OPAQUE)).caller.issuer == ISSUER
    assert {request.url.host for request in setup.issuer.requests} == {"issuer.example"}
