from support import SHOWN_APP

from connected_apps_tools.models import ConnectedApp
from connected_apps_tools.weakening import SHOWN, weakenings


def leading_to(*urls: str) -> ConnectedApp:
    return ConnectedApp.model_validate({**SHOWN_APP, "redirect_urls": list(urls)})


def test_a_target_that_begins_like_a_known_one_is_told_as_added() -> None:
    known = "com.example:/" + "x" * SHOWN
    told = list(weakenings(leading_to(known), leading_to(known, f"{known}2")))
    assert told == [("Redirect host added", f"{known[:SHOWN]}…")]
