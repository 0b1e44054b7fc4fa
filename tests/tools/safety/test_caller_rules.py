"""Rules for callers fit whom they name, and only ever narrow."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connected_apps_tools import TOOLSET_NAMES
from connected_apps_tools import TOOLSETS as ALL_TOOLSETS
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.safety.caller_rules import CallerFacts, CallerRule
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.scopes import Scope
from connected_apps_tools.selection import Selection, narrowed, select_tools

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
        ({"email_domains": ["Corp.EXAMPLE."]}, True),
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


@pytest.mark.parametrize("domain", ["CORP.example", "corp.example."])
def test_a_domain_is_compared_as_mail_reads_it(domain: str) -> None:
    of_corp = rule(match={"email_domains": ["corp.example"]}, reveal="never")
    assert of_corp.for_caller(CallerFacts(email_domain=domain)).reveal == "never"


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
        ("[[callers]]\nmatch = { groups = [] }", "callers.0.match.groups: "),
        ("[[callers]]\nunless = {}", "callers.0: an empty unless spares every caller"),
        ('[[callers]]\nmatch = { email_domains = ["@corp.example"] }', "give a domain alone"),
        ('[[callers]]\nmatch = { email_domains = ["*.corp.example"] }', "give a domain alone"),
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
PROTECTED = st.fixed_dictionaries(
    {}, optional={key: st.lists(st.sampled_from("abc")) for key in ("client_ids", "names")}
)
SCOPES = st.lists(st.sampled_from([str(scope) for scope in Scope]))
SOME = st.lists(st.sampled_from("ab"), min_size=1)
MATCHES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["issuers", "subjects", "clients", "groups", "email_domains"], SOME)
)
BASE: dict[str, st.SearchStrategy[Any]] = {
    "toolsets": TOOLSETS,
    "reveal": st.sampled_from(REVEAL),
    "confirm": st.sampled_from(CONFIRM),
    "protected_apps": PROTECTED,
}
RULES = st.fixed_dictionaries(
    {},
    optional=BASE
    | {
        "match": MATCHES,
        "unless": MATCHES.filter(bool),
        "max_scopes": SCOPES,
        "grant_scopes": SCOPES,
    },
)
POLICIES = st.builds(
    lambda base, rules: Policy.model_validate(base | {"callers": rules}),
    st.fixed_dictionaries(BASE),
    st.lists(RULES, max_size=4),
)
FACT = st.none() | st.sampled_from("abc")
CALLERS = st.builds(CallerFacts, FACT, FACT, FACT, st.frozensets(st.sampled_from("abc")), FACT)


def is_within(narrow: Policy, wide: Policy) -> bool:
    """Whether one policy allows nothing that another one forbids."""
    return all(
        wide.permits(name, value) if value is not None else getattr(wide, name) is None
        for name in ("reveal", "confirm", "toolsets")
        for value in [getattr(narrow, name)]
    ) and all(
        set(getattr(wide.protected_apps, key)) <= set(getattr(narrow.protected_apps, key))
        for key in ("client_ids", "names")
    )


@settings(max_examples=200)
@given(POLICIES, CALLERS)
def test_no_rule_widens_the_policy(policy: Policy, caller: CallerFacts) -> None:
    assert is_within(policy.for_caller(caller), policy)


@settings(max_examples=200)
@given(POLICIES, RULES, CALLERS)
def test_one_rule_more_only_narrows_further(
    policy: Policy, more: dict[str, Any], caller: CallerFacts
) -> None:
    added = CallerRule.model_validate(more)
    longer = policy.model_copy(update={"callers": (*policy.callers, added)})
    assert is_within(longer.for_caller(caller), policy.for_caller(caller))
    assert longer.reachable_by(caller) <= policy.reachable_by(caller)


@settings(max_examples=200)
@given(POLICIES, CALLERS)
def test_the_order_of_the_rules_does_not_matter(policy: Policy, caller: CallerFacts) -> None:
    one = policy.for_caller(caller)
    other = policy.model_copy(update={"callers": policy.callers[::-1]}).for_caller(caller)
    assert is_within(one, other)
    assert is_within(other, one)
    assert set(one.toolsets or ()) == set(other.toolsets or ())


@settings(max_examples=200)
@given(POLICIES, CALLERS, st.sets(st.sampled_from(list(TOOLSET_NAMES))), st.booleans())
def test_a_caller_is_offered_no_more_than_the_server_offers(
    policy: Policy, caller: CallerFacts, toolsets: set[str], reveals: bool
) -> None:
    offer = select_tools(ALL_TOOLSETS, Selection(sorted(toolsets), reveals=reveals))
    own = policy.for_caller(caller)
    narrow = narrowed(ALL_TOOLSETS, offer, own, policy.reachable_by(caller))
    assert narrow.on.keys() <= offer.on.keys()
    assert narrow.on.keys() | narrow.off.keys() == offer.on.keys() | offer.off.keys()
    assert not narrow.on.keys() & narrow.off.keys()
    if not reveals or own.reveal == "never":
        assert not any("reveal_secret" in tool.request.model_fields for tool in narrow.on.values())
