"""The policy limits the scopes of a token, and gives scopes only where the token has none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.auth.fake_issuer import Setup, token

from connected_apps_mcp.auth.access import PolicyScopes
from connected_apps_mcp.callers import Caller
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.scopes import Scope

AGENTS: dict[str, Any] = {
    "match": {"groups": ["agents"]},
    "grant_scopes": ["apps:read", "grants:read"],
}
SCOPES = st.frozensets(st.sampled_from(Scope))


async def caller_of(*rules: dict[str, Any], grants: bool, **claims: Any) -> Caller:
    policy = Policy.model_validate({"callers": rules})
    tokens = PolicyScopes(Setup().verifier, policy, grants=grants)
    return (await tokens.check(token(**claims))).caller


@pytest.mark.parametrize("scope", [..., "", "openid profile"])
async def test_a_token_without_a_scope_of_ours_has_those_that_the_policy_grants(scope: Any) -> None:
    caller = await caller_of(AGENTS, grants=True, groups=["agents"], scope=scope)
    assert caller.scopes == caller.reachable == frozenset({Scope.APPS_READ, Scope.GRANTS_READ})


async def test_the_scopes_of_a_token_limit_what_the_policy_grants() -> None:
    caller = await caller_of(AGENTS, grants=True, groups=["agents"], scope="apps:read apps:write")
    assert caller.scopes == frozenset({Scope.APPS_READ})
    assert caller.reachable == {Scope.APPS_READ, Scope.GRANTS_READ}


async def test_scopes_that_the_policy_does_not_grant_do_not_count() -> None:
    caller = await caller_of(AGENTS, grants=True, groups=["agents"], scope="apps:delete")
    assert caller.scopes == frozenset()


@pytest.mark.parametrize("scope", [..., "apps:read"])
async def test_a_caller_of_no_rule_may_do_nothing_where_the_policy_grants(scope: Any) -> None:
    caller = await caller_of(AGENTS, grants=True, groups=["people"], scope=scope)
    assert caller.scopes == caller.reachable == frozenset()


async def test_a_token_without_scopes_may_do_nothing_where_tokens_have_them() -> None:
    caller = await caller_of(AGENTS, grants=False, groups=["agents"], scope=...)
    assert caller.scopes == frozenset()


@given(st.booleans(), SCOPES, SCOPES, st.none() | SCOPES)
async def test_no_policy_gives_a_token_with_scopes_another_one(
    grants: bool, own: frozenset[Scope], granted: frozenset[Scope], most: frozenset[Scope] | None
) -> None:
    rule = {"grant_scopes": list(granted), "max_scopes": None if most is None else list(most)}
    caller = await caller_of(rule, grants=grants, scope=" ".join(own))
    assert caller.scopes is not None
    assert caller.scopes <= caller.reachable
    assert caller.scopes <= ((own or granted) if grants else own)
    assert most is None or caller.reachable <= most
