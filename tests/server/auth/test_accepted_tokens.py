import logging
import subprocess
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.auth.provider import TokenVerifier, principal_components
from server.auth.fake_issuer import (
    ALGORITHM_OF,
    CLAIMS,
    HEADER,
    ISSUER,
    NOW,
    RESOURCE,
    FakeIssuer,
    Setup,
    changed,
    jwk_of,
    signed,
    token,
    token_with,
)
from server.auth.refused import reason_for
from support import SERVER

from connected_apps_mcp.auth import Reason, TrustedIssuer, stytch_issuer
from connected_apps_tools.scopes import Scope


async def test_a_good_token_names_its_caller(setup: Setup) -> None:
    caller = (await setup.verifier.check(token())).caller
    assert (caller.issuer, caller.subject, caller.client_id) == (ISSUER, "user-1", "client-1")
    assert (caller.token_id, caller.user) == ("token-1", None)
    assert caller.scopes == frozenset({Scope.APPS_READ, Scope.APPS_WRITE})
    assert caller.claims == CLAIMS | {"groups": []}


async def test_the_sdk_gets_what_it_asks_for(setup: Setup) -> None:
    verifier: TokenVerifier = setup.verifier
    verified = await verifier.verify_token(token())
    assert verified
    assert (verified.resource, verified.expires_at) == (RESOURCE, NOW + 300)
    assert verified.scopes == ["apps:read", "apps:write"]
    assert principal_components(verified) == ("client-1", ISSUER, "user-1")


async def test_the_sdk_gets_nothing_for_a_token_that_does_not_count(setup: Setup) -> None:
    assert await setup.verifier.verify_token(token(exp=NOW)) is None


async def test_what_was_verified_does_not_contain_the_token(setup: Setup) -> None:
    verified = await setup.verifier.check(token())
    shown = f"{verified!r} {verified} {verified.model_dump_json()}"
    assert not any(part in shown for part in token().split("."))


async def test_nothing_of_a_good_token_is_logged(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await setup.verifier.check(token())
    assert not any(part in caplog.text for part in token().split("."))


@pytest.mark.parametrize("name", ["rsa", *ALGORITHM_OF])
async def test_a_token_may_be_signed_with_any_type_of_key(name: str, setup: Setup) -> None:
    algorithm = ALGORITHM_OF.get(name, "RS256")
    header = HEADER | {"alg": algorithm, "kid": name}
    assert await setup.verifier.check(signed(header, CLAIMS, name, algorithm))


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
async def test_an_rsa_key_serves_each_rsa_algorithm(algorithm: str, setup: Setup) -> None:
    signature = signed(HEADER | {"alg": algorithm}, CLAIMS, "rsa", algorithm)
    assert await setup.verifier.check(signature)


@pytest.mark.parametrize("kind", [..., "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_a_token_may_say_that_it_is_an_access_token(kind: Any, setup: Setup) -> None:
    assert await setup.verifier.check(token_with(typ=kind))


@pytest.mark.parametrize(
    "audience",
    [
        RESOURCE,
        f"{RESOURCE}/",
        "HTTPS://MCP.example.com:443/mcp",
        ["https://other.example", RESOURCE],
        ["project-1", 3 * "x", f"{RESOURCE}/"],
    ],
)
async def test_a_token_for_this_server_counts(audience: Any, setup: Setup) -> None:
    assert (await setup.verifier.check(token(aud=audience))).resource == RESOURCE


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW + 0.5},
        {"nbf": NOW + 30},
        {"iat": NOW + 30},
        {"nbf": ..., "iat": ..., "jti": ...},
    ],
)
async def test_a_token_counts_up_to_the_bounds_of_its_time(
    changes: dict[str, Any], setup: Setup
) -> None:
    assert await setup.verifier.check(token(**changes))


async def test_a_token_counts_until_its_end(setup: Setup) -> None:
    good = token()
    setup.later(299)
    assert await setup.verifier.check(good)
    setup.later(1)
    assert await reason_for(setup, good) is Reason.EXPIRED


KINDS: dict[str, dict[str, Any]] = {
    "Stytch": {},
    "Auth0": {"client_id": ..., "azp": "client-1", "gty": "client-credentials"},
    "Keycloak": {"client_id": ..., "azp": "client-1", "typ": "Bearer", "acr": "1", "sid": "s"},
    "Entra": {"client_id": ..., "azp": "client-1", "scope": ..., "scp": "apps:read", "ver": "2.0"},
    "Okta": {"client_id": ..., "cid": "client-1", "scope": ..., "scp": ["apps:read"]},
    "Cognito": {"token_use": "access"},
    "oidc-provider": {"jti": "x", "iat": NOW},
    "a client of its own": {"sub": ...},
}


@pytest.mark.parametrize("issuer", KINDS)
async def test_access_tokens_of_known_issuers_count(issuer: str, setup: Setup) -> None:
    verified = await setup.verifier.check(token(**KINDS[issuer]))
    assert Scope.APPS_READ.value in verified.scopes


@pytest.mark.parametrize(
    "scopes",
    [
        {"scope": "mcp.read other"},
        {"scope": ["other", "mcp.read"]},
        {"scope": ..., "scp": "mcp.read"},
        {"scope": ..., "scp": ["mcp.read"]},
        {"scope": ["x mcp.read y"]},
    ],
)
async def test_scopes_are_known_by_the_names_of_the_issuer(scopes: dict[str, Any]) -> None:
    setup = Setup(scope_names={Scope.APPS_READ: "mcp.read"})
    assert (await setup.verifier.check(token(**scopes))).caller.scopes == frozenset(
        {Scope.APPS_READ}
    )


async def test_a_scope_without_a_name_of_the_issuer_is_in_no_token() -> None:
    setup = Setup(scope_names={Scope.APPS_READ: "apps:read"})
    verified = await setup.verifier.check(token(scope="apps:delete apps:read"))
    assert verified.caller.scopes == frozenset({Scope.APPS_READ})


async def test_the_groups_come_from_the_claim_that_the_operator_names() -> None:
    setup = Setup(groups_claim="https://corp.example/roles")
    claims = {"https://corp.example/roles": ["admins"], "groups": ["fake"]}
    verified = await setup.verifier.check(token(**claims))
    assert verified.caller.claims["groups"] == ["admins"]


PROJECT = "project-test-1"
DOMAIN = "https://login.example"


def stytch(**config: Any) -> Setup:
    """A Stytch project as the issuer."""
    issuer = stytch_issuer(PROJECT, f"{DOMAIN}/")
    return Setup(FakeIssuer(DOMAIN), issuers=(issuer,), **config)


@pytest.mark.parametrize("iss", [DOMAIN, f"stytch.com/{PROJECT}"])
async def test_both_names_of_a_stytch_project_mean_the_same_caller(iss: str) -> None:
    setup = stytch()
    verified = await setup.verifier.check(token(iss=iss, aud=[PROJECT, RESOURCE]))
    assert verified.caller.issuer == DOMAIN
    assert setup.issuer.paths == ["/.well-known/jwks.json"]
    assert principal_components(verified)[1] == DOMAIN


@pytest.mark.parametrize("iss", ["stytch.com/project-test-2", "stytch.com", f"{DOMAIN}/"])
async def test_another_stytch_project_is_another_issuer(iss: str) -> None:
    assert await reason_for(stytch(), token(iss=iss)) is Reason.UNKNOWN_ISSUER


async def test_a_project_alone_is_no_audience() -> None:
    assert await reason_for(stytch(), token(iss=DOMAIN, aud=PROJECT)) is Reason.WRONG_AUDIENCE


async def test_a_project_is_an_audience_with_the_scope_that_is_required() -> None:
    setup = stytch(accepted_project_id=PROJECT, required_scope=Scope.APPS_READ)
    assert await setup.verifier.check(token(iss=DOMAIN, aud=[PROJECT]))
    other = token(iss=DOMAIN, aud=[PROJECT], scope="openid apps:write")
    assert await reason_for(setup, other) is Reason.WRONG_AUDIENCE


async def test_a_token_for_the_url_needs_no_scope_that_a_project_needs() -> None:
    setup = stytch(accepted_project_id=PROJECT, required_scope=Scope.APPS_READ)
    assert await setup.verifier.check(token(iss=DOMAIN, scope="openid"))


async def test_a_project_is_an_audience_for_the_clients_that_are_listed() -> None:
    setup = stytch(accepted_project_id=PROJECT, client_ids=frozenset({"client-1"}))
    assert await setup.verifier.check(token(iss=DOMAIN, aud=[PROJECT]))
    other = token(iss=DOMAIN, aud=[PROJECT], client_id="client-2")
    assert await reason_for(setup, other) is Reason.CLIENT_NOT_ALLOWED


@pytest.mark.parametrize("client_id", ["client-2", "CLIENT-1", ...])
async def test_only_listed_clients_count(client_id: Any) -> None:
    setup = Setup(client_ids=frozenset({"client-1"}))
    assert await setup.verifier.check(token())
    assert await reason_for(setup, token(client_id=client_id)) is Reason.CLIENT_NOT_ALLOWED


async def test_each_issuer_vouches_only_for_its_own_tokens() -> None:
    other = TrustedIssuer("https://other.example", f"{ISSUER}/other.json")
    setup = Setup(issuers=(TrustedIssuer(ISSUER), other))
    keys = {"keys": [jwk_of("stranger", kid="rsa")]}
    setup.issuer.responses["/other.json"] = httpx2.Response(200, json=keys)
    claims = changed(CLAIMS, {"iss": other.url})
    assert await setup.verifier.check(signed(HEADER, claims, "stranger"))
    assert await setup.verifier.check(token())
    assert await reason_for(setup, signed(HEADER, claims, "rsa")) is Reason.BAD_SIGNATURE
    assert await reason_for(setup, signed(HEADER, CLAIMS, "stranger")) is Reason.BAD_SIGNATURE


GOOD = token()


@given(
    at=st.integers(0, len(GOOD) - 1),
    cut=st.integers(0, 3),
    put=st.text("ABab01-_.=+/~ \n\0é", max_size=3),
)
async def test_a_good_token_that_is_changed_anywhere_does_not_count(
    at: int, cut: int, put: str
) -> None:
    mutated = GOOD[:at] + put + GOOD[at + cut :]
    verified = await Setup().verifier.verify_token(mutated)
    assert (verified is None) == (mutated != GOOD)


@given(st.text() | st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]*", fullmatch=True))
async def test_no_text_makes_the_verifier_fail(text: str) -> None:
    assert await Setup().verifier.verify_token(text) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from([*HEADER, "crit", "cty", "b64"]), _JSON)
async def test_no_header_makes_the_verifier_fail(member: str, value: Any) -> None:
    await Setup().verifier.verify_token(token_with(**{member: value}))


@given(st.sampled_from([*CLAIMS, "azp", "scp", "groups", "typ"]), _JSON)
async def test_no_claim_makes_the_verifier_fail(member: str, value: Any) -> None:
    await Setup().verifier.verify_token(token(**{member: value}))


def test_the_library_is_not_imported_before_the_first_token() -> None:
    code = "import sys, connected_apps_mcp.auth; print('jwt' in sys.modules)"
    shown = subprocess.run([SERVER[0], "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
