from typing import Any

import pytest
from support import SHOWN_APP

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.safety.risky_changes import MAX_RISK_VALUE, risky_changes


def leading_to(*urls: str) -> ConnectedApp:
    return ConnectedApp.model_validate({**SHOWN_APP, "redirect_urls": list(urls)})


def test_a_target_that_starts_like_a_known_one_is_reported_as_added() -> None:
    known = "com.example:/" + "x" * MAX_RISK_VALUE
    found = list(risky_changes(leading_to(known), leading_to(known, f"{known}2")))
    assert found == [("Redirect host added", f"{known[:MAX_RISK_VALUE]}…")]


def app(**settings: Any) -> ConnectedApp:
    return ConnectedApp.model_validate({**SHOWN_APP, **settings})


KNOWN = ["https://a.example/cb", "http://127.0.0.1:3000/cb"]

WIDER = {
    "another host": "https://b.example/cb",
    "another scheme": "http://a.example/cb",
    "another port": "https://a.example:8443/cb",
    "a pattern for paths": "https://a.example/*",
    "a pattern for ports": "https://a.example:*/cb",
    "every loopback port": "http://127.0.0.1/cb",
    "an app's own scheme": "com.example:/cb",
}


@pytest.mark.parametrize("field", ["redirect_urls", "post_logout_redirect_urls"])
@pytest.mark.parametrize("case", WIDER)
def test_a_url_with_a_new_target_needs_confirmation(case: str, field: str) -> None:
    before = app(**{field: KNOWN})
    found = list(risky_changes(before, app(**{field: [*KNOWN, WIDER[case]]})))
    assert len(found) == 1


@pytest.mark.parametrize("field", ["redirect_urls", "post_logout_redirect_urls"])
@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/other",
        "https://A.example:443/cb",
        "http://127.0.0.1:5173/cb",
    ],
)
def test_a_url_with_a_known_target_needs_no_confirmation(url: str, field: str) -> None:
    before = app(**{field: KNOWN})
    assert list(risky_changes(before, app(**{field: [*KNOWN, url]}))) == []


@pytest.mark.parametrize("field", ["client_name", "logo_url"])
@pytest.mark.parametrize("client_type", ["third_party", "third_party_public"])
def test_a_change_of_the_consent_page_needs_confirmation(client_type: str, field: str) -> None:
    before = app(client_type=client_type, **{field: "https://a.example/one"})
    after = before.model_copy(update={field: "https://a.example/two"})
    assert [fact for _, fact in risky_changes(before, after)] == [
        "https://a.example/one",
        "https://a.example/two",
    ]


@pytest.mark.parametrize("field", ["client_name", "logo_url"])
def test_renaming_the_operators_own_app_needs_no_confirmation(field: str) -> None:
    before = app(client_type="first_party", **{field: "https://a.example/one"})
    after = before.model_copy(update={field: "https://a.example/two"})
    assert list(risky_changes(before, after)) == []


ONE_WAY = {
    "full access": ("full_access_allowed", False, True),
    "no consent": ("bypass_consent_for_offline_access", False, True),
    "longer tokens": ("access_token_expiry_minutes", 60, 61),
    "fewer redirect URLs": ("redirect_urls", KNOWN, KNOWN[:1]),
}
"""Changes that are risky in one direction only: the field, and its safer and riskier value."""


@pytest.mark.parametrize("case", ONE_WAY)
def test_less_protection_is_asked_about_and_more_is_not(case: str) -> None:
    field, safer, riskier = ONE_WAY[case]
    assert len(list(risky_changes(app(**{field: safer}), app(**{field: riskier})))) == 1
    harmless = app(**{field: riskier}), app(**{field: safer})
    if field != "redirect_urls":  # where a URL that comes back may lead elsewhere
        assert list(risky_changes(*harmless)) == []


CLAIMS = [
    "access_token_custom_audience",
    "access_token_template_content",
    "id_token_template_content",
]


@pytest.mark.parametrize(("old", "new"), [("", "a"), ("a", ""), ("a", "b")])
@pytest.mark.parametrize("field", CLAIMS)
def test_every_change_of_what_tokens_say_is_asked_about(field: str, old: str, new: str) -> None:
    found = dict(risky_changes(app(**{field: old}), app(**{field: new})))
    assert list(found.values()) == [old or "none", new or "none"]


@pytest.mark.parametrize("field", ["client_description", "logo_url", "client_name"])
def test_what_protects_nothing_is_not_asked_about(field: str) -> None:
    assert list(risky_changes(app(**{field: "one"}), app(**{field: "two"}))) == []


def test_a_removed_logout_url_is_not_asked_about() -> None:
    before, after = app(post_logout_redirect_urls=KNOWN), app(post_logout_redirect_urls=[])
    assert list(risky_changes(before, after)) == []


def test_an_app_that_stays_as_it_is_has_no_risky_change() -> None:
    assert list(risky_changes(app(redirect_urls=KNOWN), app(redirect_urls=KNOWN))) == []
