"""Which app an interrupted apply has created."""

from datetime import UTC, datetime, timedelta

import pytest
from tools.manifest.manifests import TEST, app

from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.manifest.applying.creations import Creation
from connected_apps_tools.manifest.applying.creations import adopted as adopted_by

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def creation(key: str, *alike: str, client_id: str | None = None, after: int = 0) -> Creation:
    """The creation of an app named Twin, begun some minutes after the first one."""
    return Creation(
        project_id=TEST,
        key=key,
        client_name="Twin",
        client_type="third_party",
        alike=list(alike),
        client_id=client_id,
        begun_at=BEGUN + timedelta(minutes=after),
    )


def adopted(*creations: Creation, apps: str) -> dict[str, str]:
    """The bindings for creations, in a project with these apps, all named Twin."""
    there = [app(each, client_name="Twin", client_type="third_party") for each in apps]
    return {key: client_id for key, (client_id, _) in adopted_by({}, creations, there).items()}


def test_an_app_that_was_there_before_is_not_the_created_one() -> None:
    assert adopted(creation("a", "x"), apps="xy") == {"a": "y"}


def test_nothing_is_found_if_nothing_was_created() -> None:
    assert adopted(creation("a", "x"), apps="x") == {}


def test_an_app_with_a_known_id_is_not_that_of_an_earlier_creation() -> None:
    assert adopted(creation("a"), creation("b", "x", client_id="y", after=1), apps="xy") == {
        "a": "x",
        "b": "y",
    }


def test_the_app_of_a_later_creation_is_not_that_of_an_earlier_one() -> None:
    assert adopted(creation("a"), creation("b", "x", after=1), apps="xy") == {"a": "x", "b": "y"}


def test_two_apps_that_may_be_the_created_one_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="may have created any of x, y for a"):
        adopted(creation("a"), apps="xy")


def test_an_app_that_a_stranger_has_registered_is_taken_for_none() -> None:
    theirs = app("x", client_name="Twin", client_type="third_party", client_id_metadata_url="u")
    assert adopted_by({}, [creation("a")], [theirs]) == {}


def test_a_created_app_that_is_bound_to_another_key_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidRequest, match="a: the app that an apply has created is bound to b"):
        adopted_by({"b": "x"}, [creation("a", client_id="x")], [app("x")])
