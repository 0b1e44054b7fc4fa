"""An apply that does not learn whether an app was created, and the next one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from server.commands.manifest.repositories import Repository

from connected_apps_tools.api.models import CreateApp

KEYS = "a", "b", "c"

CUT = {"operation": "create", "cut": True, "times": 1}
"""The service creates an app, and its response is lost."""

TYPES = ["first_party", "third_party_public"]


@pytest.fixture(params=TYPES)
def kind(request: pytest.FixtureRequest) -> str:
    """A type of apps."""
    return str(request.param)


@pytest.fixture
def repository(kind: str, tmp_path: Path) -> Iterator[Repository]:
    """A manifest of three new apps that look alike."""
    with Repository.make(tmp_path).served() as repository:
        repository.manifest.write_text(
            "\n".join(
                f'[app.{key}]\nclient_type = "{kind}"\nclient_name = "Twin"\n' for key in KEYS
            )
        )
        yield repository


def create_alike(repository: Repository, kind: str) -> str:
    """Create an app that looks like those of the manifest; return its id."""
    request = CreateApp.model_validate({"client_type": kind, "client_name": "Twin"})
    created = repository.asked(lambda project: project.api.create(request))
    return created.connected_app.client_id


def test_the_next_apply_finds_what_was_created_and_does_the_rest(
    repository: Repository, kind: str
) -> None:
    repository.fail(CUT)
    stopped = repository.applied()
    assert stopped.returncode == 1
    assert 'Stopped at: create a "Twin".' in stopped.stderr
    assert "Not done: 2 more." in stopped.stderr
    (found,) = repository.apps()
    done = repository.applied()
    assert "Done: 2 of 2 steps." in done.stdout
    assert repository.bound["a"] == found.client_id
    assert {app.client_id for app in repository.apps()} == {*repository.bound.values()}
    assert len(repository.bound) == len(KEYS)
    assert (found.client_id in done.stderr) == (kind == "first_party")  # its secret is lost
    assert repository.run("plan").returncode == 0


def test_an_app_is_made_once_even_if_every_response_is_lost(repository: Repository) -> None:
    repository.fail({**CUT, "times": None})
    assert [repository.applied().returncode for _ in range(len(KEYS) + 1)] == [1, 1, 1, 0]
    assert {app.client_id for app in repository.apps()} == {*repository.bound.values()}
    assert len(repository.bound) == len(KEYS)


def test_an_app_that_was_certainly_not_created_is_not_looked_for(
    repository: Repository, kind: str
) -> None:
    repository.fail({"operation": "create", "status": 400, "times": 1})
    assert repository.applied().returncode == 1
    other = create_alike(repository, kind)
    assert repository.applied().returncode == 0
    assert other not in repository.bound.values()
    assert len(repository.apps()) == len(KEYS) + 1


def test_two_apps_that_may_be_it_are_refused_with_the_way_out(
    repository: Repository, kind: str
) -> None:
    repository.fail(CUT)
    assert repository.applied().returncode == 1
    (created,) = repository.apps()
    other = create_alike(repository, kind)
    refused = repository.run("plan")
    assert refused.returncode == 1
    assert f"may have created any of {created.client_id}, {other} for a." in refused.stderr
    assert "connected-apps-mcp import CLIENT_ID KEY" in refused.stderr
    assert repository.run("import", created.client_id, "a").returncode == 0
    assert repository.applied().returncode == 0
    assert other not in repository.bound.values()
    assert len(repository.apps()) == len(KEYS) + 1
