"""Two applies at once, as processes."""

from collections import Counter
from pathlib import Path

import pytest
from server.audit.logs import verify
from server.commands.manifest.repositories import Repository
from support import SANDBOX

from connected_apps_tools.api.models import CreateApp, UpdateApp
from connected_apps_tools.manifest.applying.creations import Creations
from connected_apps_tools.manifest.documents.bindings import Bindings, read_bindings
from connected_apps_tools.storage.records import FolderState

COUNT = 10

MANIFEST = "\n".join(
    f'[app.a{number}]\nclient_type = "first_party"\nclient_name = "Alike"\n'
    for number in range(COUNT)
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A manifest of new apps that look alike, with a saved plan."""
    made = Repository.make(tmp_path)
    made.manifest.write_text(MANIFEST)
    assert made.run("plan", "--out", "plan.json").returncode == 3
    return made


def test_of_two_applies_at_once_one_does_it_all_and_the_other_refuses(
    repository: Repository,
) -> None:
    started = [repository.running("apply", "plan.json") for _ in range(2)]
    ended = [(*each.communicate(timeout=100), each.returncode) for each in started]
    assert sorted(code for *_, code in ended) == [0, 1], ended
    (refused,) = (said for _, said, code in ended if code)
    assert "The plan no longer fits what is there" in refused
    assert "Nothing was sent." in refused
    apps = repository.apps()
    assert Counter(app.client_id for app in apps) == Counter(repository.bound.values())
    assert len(apps) == COUNT
    assert repository.run("plan").returncode == 0
    assert verify(repository.data / "audit").problems == []


def test_an_apply_that_waited_while_another_one_did_it_all_refuses(repository: Repository) -> None:
    turn = Creations(FolderState(repository.data).records("applies"), SANDBOX.project_id).try_lock()
    assert turn is not None
    waiting = repository.running("apply", "plan.json")
    assert waiting.stdout
    while not waiting.stdout.readline().startswith("Apps: "):
        pass
    request = CreateApp(client_type="first_party", client_name="Alike")
    created = repository.asked(lambda project: project.api.create(request)).connected_app
    bound = {f"a{number}": created.client_id + str(number) for number in range(COUNT)}
    repository.lock.write_text(Bindings({SANDBOX.project_id: bound}).text())
    turn.close()
    _, said = waiting.communicate(timeout=100)
    assert waiting.returncode == 1
    assert "The plan no longer fits what is there" in said
    assert len(repository.apps()) == 1


def test_two_applies_of_two_manifests_at_once_do_both_in_turns(
    repository: Repository, tmp_path: Path
) -> None:
    other = tmp_path / "repository" / "other.toml"
    other.write_text(MANIFEST.replace("[app.a", "[app.b").replace("Alike", "Other"))
    assert repository.run("plan", "--file", "other.toml", "--out", "other.json").returncode == 3
    started = [
        repository.running("apply", "plan.json"),
        repository.running("apply", "other.json", "--file", "other.toml"),
    ]
    ended = [(*each.communicate(timeout=100), each.returncode) for each in started]
    assert [code for *_, code in ended] == [0, 0], ended
    bound = read_bindings(other.with_name("other.lock.toml").read_bytes()).by_project
    ids = [
        *repository.bound.values(),
        *(each for table in bound.values() for each in table.values()),
    ]
    assert Counter(ids) == Counter(app.client_id for app in repository.apps())
    assert len(ids) == 2 * COUNT


def test_a_saved_plan_is_refused_after_the_project_has_changed(
    repository: Repository,
) -> None:
    assert repository.run("apply", "plan.json").returncode == 0
    repository.manifest.write_text(MANIFEST.replace("Alike", "Renamed", 1))
    assert repository.run("plan", "--out", "plan.json").returncode == 3
    app = UpdateApp(client_id=repository.bound["a0"], access_token_expiry_minutes=5)
    repository.asked(lambda project: project.api.update(app))
    refused = repository.run("apply", "plan.json")
    assert refused.returncode == 1
    assert "The plan no longer fits what is there: a0." in refused.stderr
    (changed,) = (each for each in repository.apps() if each.client_id == app.client_id)
    assert changed.client_name == "Alike"


def test_a_saved_plan_is_refused_after_it_was_applied(repository: Repository) -> None:
    assert repository.run("apply", "plan.json").returncode == 0
    refused = repository.run("apply", "plan.json")
    assert refused.returncode == 1
    assert "The plan no longer fits what is there" in refused.stderr
