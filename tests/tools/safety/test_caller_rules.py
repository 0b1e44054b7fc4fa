"""Rules for callers fit whom they name, and only ever narrow."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.safety.caller_rules import CallerFacts
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.scopes import Scope

ADA = CallerFacts(
    issuer="https://issuer.example",
    subject="ada",
    client="agent",
    groups=frozenset({"agents", "people"}),
    email_domain="corp.example",
)


def rule(**given: Any) -> Policy:
    return Policy.model_validate({"callers": [given]})


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"issuers": ["https://issuer.example"]}, True),
        ({"issuers": ["https://other.example"]}, False),
        ({"subjects": ["bob", "ada"]}, True),
        ({"subjects": ["Ada"]}, False),
        ({"clients": ["agent"], "groups": ["agents"]}, True),
        ({"clients": ["agent"], "groups": ["platform"]}, False),
        ({"email_domains": ["corp.example"]}, True),
        ({"email_domains": ["sub.corp.example"]}, False),
        ({"groups": []}, False),
    ],
)
def test_a_rule_is_for_the_callers_that_every_key_fits(match: dict[str, Any], fits: bool) -> None:
    assert (rule(match=match, reveal="never").for_caller(ADA).reveal == "never") is fits


def test_a_rule_spares_those_it_is_not_for() -> None:
    spared = rule(reveal="never", unless={"groups": ["people"]})
    assert spared.for_caller(ADA).reveal is None
    assert spared.for_caller(CallerFacts(subject="bob")).reveal == "never"


def test_a_caller_without_a_fact_fits_no_rule_about_it() -> None:
    assert (
        rule(match={"groups": ["agents"]}, grant_scopes=["apps:read"]).granted_to(CallerFacts())
        == frozenset()
    )


def test_an_app_can_be_protected_from_all_but_a_group() -> None:
    policy = rule(unless={"groups": ["platform"]}, protected_apps={"names": ["Billing"]})
    assert policy.for_caller(ADA).protects("any", "Billing")
    assert not policy.for_caller(CallerFacts(groups=frozenset({"platform"}))).protects(
        "any", "Billing"
    )


def test_scopes_are_granted_by_every_rule_and_limited_by_every_rule() -> None:
    policy = Policy.model_validate(
        {
            "callers": [
                {"match": {"groups": ["agents"]}, "grant_scopes": ["apps:read"]},
                {"match": {"groups": ["people"]}, "grant_scopes": ["apps:write"]},
                {"max_scopes": ["apps:read", "grants:read"]},
            ]
        }
    )
    assert policy.granted_to(ADA) == {Scope.APPS_READ, Scope.APPS_WRITE}
    assert policy.reachable_by(ADA) == {Scope.APPS_READ, Scope.GRANTS_READ}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[callers]]\nscope = ["apps:read"]', "callers.0.scope: there is no such key"),
        ('[[callers]]\nmatch = { group = ["a"] }', "Did you mean groups?"),
        ('[[callers]]\nmax_scopes = ["apps:red"]', "callers.0.max_scopes.0: "),
        ('[callers]\nreveal = "never"', "callers: "),
        ('[[callers]]\nreveal = "sometimes"', "callers.0.reveal: "),
    ],
)
def test_a_mistake_in_a_rule_is_named(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(InvalidRequest, match=why.replace("?", r"\?")):
        Policy.read(file)


REVEAL, CONFIRM = (None, "allow", "never"), (None, "never", "auto", "always")
TOOLSETS = st.none() | st.lists(st.sampled_from(["apps", "rotation", "review"]), unique=True)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "match": st.fixed_dictionaries({}, optional={"groups": st.just(["agents"])}),
        "unless": st.fixed_dictionaries({}, optional={"clients": st.just(["agent"])}),
        "max_scopes": st.lists(st.sampled_from([str(scope) for scope in Scope])),
        "toolsets": TOOLSETS,
        "reveal": st.sampled_from(REVEAL),
        "confirm": st.sampled_from(CONFIRM),
        "protected_apps": st.fixed_dictionaries({"names": st.lists(st.just("Billing"))}),
    },
)


@settings(max_examples=200)
@given(st.sampled_from(list(product(REVEAL, CONFIRM))), TOOLSETS, st.lists(RULES, max_size=4))
def test_no_rule_widens_the_policy(
    base: tuple[str | None, str | None], toolsets: list[str] | None, rules: list[dict[str, Any]]
) -> None:
    policy = Policy.model_validate(
        {"reveal": base[0], "confirm": base[1], "toolsets": toolsets, "callers": rules}
    )
    narrowed = policy.for_caller(ADA)
    for name in ("reveal", "confirm", "toolsets"):
        value = getattr(narrowed, name)
        assert policy.permits(name, value) if value is not None else getattr(policy, name) is None
    assert set(policy.protected_apps.names) <= set(narrowed.protected_apps.names)
