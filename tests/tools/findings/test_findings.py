import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sizes import sized

from connected_apps_tools import CATALOGUE
from connected_apps_tools.api.models import AppSettings, ConnectedApp
from connected_apps_tools.findings.review import RULES, SEVERITIES, Finding, Review, ReviewLimits

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "review.md"
CYRILLIC_A = "\u0430"


def app(name: str = "Plain", **changes: Any) -> ConnectedApp:
    """An app without findings, except for the changes."""
    return ConnectedApp.model_validate(
        {
            "client_id": f"id-of-{name.lower().replace(' ', '-')}",
            "client_name": name,
            "client_description": "",
            "client_type": "third_party",
            "status": "active",
            "redirect_urls": [f"https://{name.encode().hex()}.example/callback"],
            "post_logout_redirect_urls": [],
            "access_token_expiry_minutes": 60,
            "access_token_template_content": "",
            "full_access_allowed": False,
            "bypass_consent_for_offline_access": False,
            "creation_method": "api",
        }
        | changes
    )


def reviewed(*apps: ConnectedApp, limits: ReviewLimits | None = None) -> list[Finding]:
    review = Review(limits)
    for one in apps:
        review.add(one)
    return review.findings()


def codes(*apps: ConnectedApp) -> list[str]:
    return [finding.code for finding in reviewed(*apps)]


def flagged(*apps: ConnectedApp) -> list[tuple[str, str]]:
    return [(finding.code, finding.client_id) for finding in reviewed(*apps)]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/cb", "http-redirect"),
        ("http://localhost.evil.example/cb", "http-redirect"),
        ("https://*.example.com/cb", "wildcard-redirect"),
        ("https://example.com/*", "wildcard-redirect"),
        ("http://localhost:*/cb", "wildcard-redirect"),
        ("https://example.com/cb#", "fragment-in-redirect"),
        ("https://bank.example@evil.example/cb", "user-info-in-url"),
        (f"https://p{CYRILLIC_A}ypal.example/cb", "mixed-script-host"),
        ("https://xn--pypal-4ve.example/cb", "mixed-script-host"),
        ("https://b\xfccher.example/cb", "internationalized-host"),
        ("https://xn--bcher-kva.example/cb", "internationalized-host"),
        ("javascript:alert('x')", "active-scheme"),
        ('java\nscript:alert("x")', "active-scheme"),
        ("example.com/cb", "malformed-url"),
        ("https://good.example\\@evil.example/", "malformed-url"),
        ("myapp://cb", "private-use-scheme-without-dot"),
    ],
)
def test_a_dangerous_redirect_is_found(url: str, code: str) -> None:
    assert codes(app(client_type="third_party_public", redirect_urls=[url])) == [code]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cb?x=1",
        "http://127.0.0.1/cb",
        "http://localhost:3000/cb",
        "http://[::1]/cb",
        "com.example.app:/cb",
    ],
)
def test_an_ordinary_redirect_is_left_alone(url: str) -> None:
    assert codes(app(client_type="third_party_public", redirect_urls=[url])) == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/cb", "https://localhost/cb", "com.example.app:/cb"]
)
def test_a_native_redirect_on_a_confidential_app_is_found(url: str) -> None:
    assert codes(app(redirect_urls=[url])) == ["native-redirect-on-confidential-app"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/bye", "http-post-logout-redirect"),
        ("https://*.example.com/bye", "wildcard-redirect"),
        ("https://bank.example@evil.example/bye", "user-info-in-url"),
        (f"https://p{CYRILLIC_A}ypal.example/bye", "mixed-script-host"),
        ("https://b\xfccher.example/bye", "internationalized-host"),
        ("data:text/html,bye", "active-scheme"),
        ("nowhere", "malformed-url"),
    ],
)
def test_a_dangerous_post_logout_redirect_is_found(url: str, code: str) -> None:
    (finding,) = reviewed(app(post_logout_redirect_urls=[url]))
    assert finding.code == code
    assert finding.fact.startswith("The post-logout redirect URL ")


def test_checks_about_codes_do_not_apply_after_logout() -> None:
    harmless = ["https://example.com/#bye", "http://localhost/bye", "myapp://bye"]
    assert codes(app(post_logout_redirect_urls=harmless)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"redirect_urls": []}, "no-redirect"),
        ({"full_access_allowed": True}, "full-access"),
        ({"bypass_consent_for_offline_access": True}, "bypassed-consent"),
        ({"access_token_expiry_minutes": 1441}, "long-token-lifetime"),
        ({"next_client_secret_last_four": "wxyz"}, "open-rotation"),
        ({"client_id_metadata_url": "https://c.example/client.json"}, "registered-by-stranger"),
        ({"creation_method": "DYNAMIC_CLIENT_REGISTRATION"}, "registered-by-stranger"),
    ],
)
def test_a_dangerous_setting_is_found(changes: dict[str, Any], code: str) -> None:
    assert codes(app(**changes)) == [code]


def test_a_token_may_live_as_long_as_the_limit() -> None:
    hour = ReviewLimits(max_token_minutes=60)
    assert reviewed(app(access_token_expiry_minutes=60), limits=hour) == []
    (finding,) = reviewed(app(access_token_expiry_minutes=61), limits=hour)
    assert "61 minutes" in finding.fact
    assert "60" in finding.fact


def test_the_words_for_strangers_methods_can_be_set() -> None:
    limits = ReviewLimits(stranger_methods=("Self_Service",))
    assert reviewed(app(creation_method="SELF_SERVICE"), limits=limits)
    assert not reviewed(app(creation_method="dynamic"), limits=limits)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_token_minutes": 0},
        {"max_token_minutes": "60"},
        {"max_per_code": 0},
        {"max_per_code": 10_001},
        {"stranger_methods": ("",)},
        {"max_tokens": 1},
    ],
)
def test_a_limit_out_of_range_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReviewLimits.model_validate(limits)


OWN = app("Acme", client_type="first_party")
THEIRS = app("Acme ", client_id="theirs", creation_method="api")
STRANGE = app("A-C-M-E", client_id="strange", creation_method="dcr")
IMITATION = app(f"{CYRILLIC_A}cme", client_id="imitation", creation_method="dcr")


@pytest.mark.parametrize("apps", [(OWN, STRANGE), (STRANGE, OWN), (THEIRS, STRANGE)])
def test_a_strangers_app_named_like_another_is_found_in_any_order(
    apps: tuple[ConnectedApp, ...],
) -> None:
    assert ("imitated-name", "strange") in flagged(*apps)


def test_a_third_partys_app_named_like_the_operators_is_found() -> None:
    (finding,) = reviewed(THEIRS, OWN)
    assert (finding.code, finding.client_id) == ("imitated-name", "theirs")
    assert finding.fact == "Its name looks like that of the operator's own app Acme (id-of-acme)."


def test_the_operators_own_apps_may_share_a_name() -> None:
    assert codes(OWN, app("acme", client_id="other", client_type="first_party_public")) == []


def test_the_operators_own_names_and_hosts_may_look_alike() -> None:
    one = app("Node 1", client_type="first_party", redirect_urls=["https://node1.example/"])
    other = app("Node I", client_type="first_party", redirect_urls=["https://nodei.example/"])
    assert codes(one, other) == []


def test_strangers_apps_may_share_a_name_but_not_imitate_one() -> None:
    again = app("a c m e", client_id="again", creation_method="dcr")
    found = flagged(STRANGE, again, IMITATION)
    assert [id_ for code, id_ in found if code == "imitated-name"] == ["imitation"]


def test_apps_without_a_name_imitate_nobody() -> None:
    nameless = [
        app("", client_id=id_, creation_method=by) for id_, by in (("a", "api"), ("b", "dcr"))
    ]
    for one in nameless:
        one.redirect_urls[:] = [f"https://{one.client_id}.example/"]
    assert "imitated-name" not in codes(*nameless)


def test_a_name_of_symbols_can_be_imitated() -> None:
    rocket = app("\U0001f680", client_type="first_party")
    assert "imitated-name" in codes(rocket, app("\U0001f680", client_id="b", creation_method="dcr"))


def test_a_host_that_looks_like_anothers_is_found() -> None:
    real = app("Real", redirect_urls=["https://example.com/cb"], client_type="first_party")
    fake = app("Fake", redirect_urls=["https://examp1e.com/cb"])
    (finding,) = reviewed(fake, real)
    assert (finding.code, finding.client_id) == ("imitated-host", "id-of-fake")
    assert finding.fact == (
        "Its redirect host examp1e.com looks like example.com "
        "of the operator's own app Real (id-of-real)."
    )


def test_a_host_that_different_parties_share_is_found() -> None:
    first = app("First", redirect_urls=["https://shared.example/1"], client_type="first_party")
    third = app("Third", redirect_urls=["https://SHARED.example:8443/2"])
    (finding,) = reviewed(third, first)
    assert (finding.code, finding.client_id) == ("shared-redirect-host", "id-of-third")
    assert "shared.example" in finding.fact
    assert "id-of-first" in finding.fact


def test_a_host_that_one_party_shares_with_itself_is_left_alone() -> None:
    shared = ["https://shared.example/cb"]
    assert codes(app("One", redirect_urls=shared), app("Two", redirect_urls=shared)) == []


def test_everybody_may_redirect_to_loopback() -> None:
    loopback = ["http://localhost:3000/cb"]
    one = app("One", redirect_urls=loopback, client_type="first_party_public")
    two = app("Two", redirect_urls=loopback, client_type="third_party_public")
    assert codes(one, two) == []


def test_findings_are_sorted_by_severity_code_and_client_id() -> None:
    apps = [
        app("B", redirect_urls=[]),
        app("A", redirect_urls=[]),
        app("C", full_access_allowed=True, bypass_consent_for_offline_access=True),
        app("D", redirect_urls=["http://example.com/"], creation_method="dcr"),
    ]
    assert flagged(*apps) == [
        ("http-redirect", "id-of-d"),
        ("bypassed-consent", "id-of-c"),
        ("full-access", "id-of-c"),
        ("no-redirect", "id-of-a"),
        ("no-redirect", "id-of-b"),
        ("registered-by-stranger", "id-of-d"),
    ]


def test_one_check_makes_one_finding_of_an_app() -> None:
    (finding,) = reviewed(app(redirect_urls=[f"http://h{n}.example/" for n in range(9)]))
    assert [f"h{n}.example/" in finding.fact for n in range(4)] == [True, True, True, False]
    assert finding.fact.endswith(" And 6 more.")


def test_a_duplicate_url_is_reported_once() -> None:
    (finding,) = reviewed(app(redirect_urls=["http://h.example/", "http://h.example/"]))
    assert finding.fact.count("http://h.example/") == 1


def test_findings_beyond_the_listed_ones_are_counted() -> None:
    review = Review(ReviewLimits(max_per_code=2))
    for n in range(5):
        review.add(app(f"App number {n}", redirect_urls=[]))
    assert [finding.code for finding in review.findings()] == ["no-redirect"] * 2
    assert review.counts() == {"no-redirect": 5}
    assert review.scanned == 5


def test_many_apps_with_one_name_are_counted_and_three_are_listed() -> None:
    review = Review()
    review.add(OWN)
    for n in range(9):
        review.add(app("Acme", client_id=str(n), redirect_urls=[f"https://h{n}.example/"]))
    assert [finding.client_id for finding in review.findings()] == ["0", "1", "2"]
    assert review.counts() == {"imitated-name": 9}


def test_findings_can_be_read_before_the_end() -> None:
    review = Review()
    review.add(THEIRS)
    assert review.findings() == []
    review.add(OWN)
    assert review.findings() == review.findings() != []


def test_a_name_is_reported_unchanged_and_cut() -> None:
    (finding,) = reviewed(app("\u202e" + "x" * 999, redirect_urls=[], client_id="a"))
    assert finding.client_name == "\u202e" + "x" * 199


HOSTILE = st.text() | st.sampled_from(
    [
        "https://a.example/\u202e",
        "http://\u200b",
        "\n",
        "https://*\U000e0041",
        "Acme",
        f"{CYRILLIC_A}cme",
    ]
)
APPS = st.lists(
    st.builds(
        app,
        HOSTILE,
        client_id=HOSTILE.filter(bool),
        client_type=st.sampled_from(["first_party", "third_party_public", "of tomorrow"]),
        redirect_urls=st.lists(HOSTILE, max_size=5),
        post_logout_redirect_urls=st.lists(HOSTILE, max_size=5),
        creation_method=HOSTILE,
        client_id_metadata_url=st.none() | HOSTILE,
        next_client_secret_last_four=st.none() | HOSTILE,
    ),
    max_size=5,
)


@pytest.mark.series
@given(APPS)
@settings(max_examples=sized("random lists of apps"))
def test_any_app_can_be_reviewed_and_every_fact_is_printable(apps: list[ConnectedApp]) -> None:
    for finding in reviewed(*apps):
        assert (
            re.search("[\x00-\x1f\u200b-\u200f\u202a-\u202e\U000e0000-\U000e007f]", finding.fact)
            is None
        )
        assert len(finding.fact) < 1500


@pytest.mark.series
@given(APPS, st.randoms(use_true_random=False))
@settings(max_examples=sized("random lists of apps"))
def test_the_order_of_apps_changes_only_the_counts_of_imitations(
    apps: list[ConnectedApp], shuffler: random.Random
) -> None:
    ordered, shuffled = Review(), Review()
    for one in apps:
        ordered.add(one)
    for one in shuffler.sample(apps, len(apps)):
        shuffled.add(one)
    imitations = {"imitated-name", "imitated-host"}
    for review in (ordered, shuffled):
        assert review.scanned == len(apps)
    assert {c: n for c, n in ordered.counts().items() if c not in imitations} == {
        c: n for c, n in shuffled.counts().items() if c not in imitations
    }


def test_codes_are_unique() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_the_documentation_lists_exactly_the_codes_with_their_severities() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", DOCS.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted((rule.code, rule.severity) for rule in RULES)
    assert {severity for _, severity in rows} == set(SEVERITIES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_fix_proposes_only_what_the_tools_can_do(rule: Any) -> None:
    can = {tool.name for tool in CATALOGUE} | AppSettings.model_fields.keys()
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", rule.fix))
    assert named
    assert named <= can
