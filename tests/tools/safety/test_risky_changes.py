from typing import Any

import pytest
from support import SHOWN_APP

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.safety.risky_changes import SHOWN, risky_changes


def leading_to(*urls: str) -> ConnectedApp:
    return ConnectedApp.model_validate({**SHOWN_APP, "redirect_urls": list(urls)})


def test_a_target_that_begins_like_a_known_one_is_told_as_added() -> None:
    known = "com.example:/" + "x" * SHOWN
    told = list(risky_changes(leading_to(known), leading_to(known, f"{known}2")))
    assert told == [("Redirect host added", f"{known[:SHOWN]}…")]


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
def test_a_url_that_leads_elsewhere_is_asked_about(case: str, field: str) -> None:
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
def test_a_url_of_a_known_place_is_not_asked_about(url: str, field: str) -> None:
    before = app(**{field: KNOWN})
    assert list(risky_changes(before, app(**{field: [*KNOWN, url]}))) == []


@pytest.mark.parametrize("field", ["client_name", "logo_url"])
@pytest.mark.parametrize("client_type", ["third_party", "third_party_public"])
def test_what_users_see_on_the_consent_page_is_asked_about(client_type: str, field: str) -> None:
    before = app(client_type=client_type, **{field: "https://a.example/one"})
    after = before.model_copy(update={field: "https://a.example/two"})
    assert [fact for _, fact in risky_changes(before, after)] == [
        "https://a.example/one",
        "https://a.example/two",
    ]


@pytest.mark.parametrize("field", ["client_name", "logo_url"])
def test_the_operators_own_app_is_renamed_unasked(field: str) -> None:
    before = app(client_type="first_party", **{field: "https://a.example/one"})
    after = before.model_copy(update={field: "https://a.example/two"})
    assert list(risky_changes(before, after)) == []
