"""An apply that is killed, and what the next one makes of it."""

import random
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from server.audit.logs import verify
from server.commands.manifest.repositories import KILLED, Done, Repository
from sizes import WHOLE, sized
from warm import warm_starts

from connected_apps_mcp.commands.manifest.plan import CHANGES
from connected_apps_tools.catalogue.manifest.planning import all_apps
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.settings import settings_of

TYPES = "first_party", "third_party_public"

STAY, NEW = range(20), range(20, 40)
"""The apps that change, and those that are created. As many are deleted."""

ALIKE = 4
"""How many new apps have the same name, two of each type."""

KILLS = sized("kills of an apply")
SERIES = 4 if WHOLE else 1
"""How many tests share the kills, so that several processes of the suite can run them."""


def table(number: int, name: str, more: str = "") -> str:
    kind = TYPES[number % 2]
    return f'[app.a{number}]\nclient_type = "{kind}"\nclient_name = "{name}"\n{more}'


def manifest_of(tables: Iterable[str]) -> str:
    return "\n".join(tables)


BEFORE = manifest_of(table(number, f"App {number}") for number in [*STAY, *range(40, 60)])
WANTED = manifest_of(
    [
        *(table(number, f"App {number}", "access_token_expiry_minutes = 15\n") for number in STAY),
        *(table(number, f"New {number // ALIKE}") for number in NEW),
    ]
)


def plan(repository: Repository) -> Done:
    return repository.run("plan", "--prune", "--out", "plan.json")


def apply_and_kill(repository: Repository, at: int) -> Done:
    """Apply the plan, and kill the process before one of its writes."""
    return repository.run("apply", "plan.json", program=[*KILLED, str(at)])


@pytest.fixture(scope="module")
def _starts() -> Iterator[None]:
    """A kill is the same after a warm start, and there are many."""
    with warm_starts() if sys.platform == "linux" else nullcontext():
        yield


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory, _starts: None) -> Repository:
    """A project with 40 apps, and a saved plan of 60 steps for it."""
    repository = Repository.make(tmp_path_factory.mktemp("kills") / "planned")
    repository.manifest.write_text(BEFORE)
    assert plan(repository).returncode == 3
    assert repository.run("apply", "plan.json").returncode == 0
    repository.manifest.write_text(WANTED)
    shown = plan(repository).stdout
    assert shown.endswith("Apps: 20 to create, 20 to change, 20 to delete.\n")
    return repository


@pytest.fixture(scope="module")
def writes(planned: Repository, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many writes an apply takes that is not killed."""
    repository = planned.copied(tmp_path_factory.mktemp("kills") / "whole")
    return int(apply_and_kill(repository, 0).stdout.split()[-1])


async def assert_as_wanted(repository: Repository, said: str) -> None:
    """Every app is there once, as the manifest has it, and no secret is lost without a report."""
    wanted = read_manifest(WANTED).wanted_in(None)
    bound = repository.bound
    async with repository.project() as project:
        apps = {app.client_id: app for app in await all_apps(project)}
        assert {key: settings_of(apps[client_id]) for key, client_id in bound.items()} == wanted
        assert apps.keys() == {*bound.values()}
        assert len(apps) == len(wanted)
        for app in filter(lambda app: app.client_secret_last_four, apps.values()):
            assert await project.secrets.sync_current(app) or app.client_id in said
        assert await project.creations.unfinished() == []
    assert verify(repository.data / "audit").problems == []


@pytest.mark.series
@pytest.mark.parametrize("series", range(SERIES))
async def test_after_kills_at_any_point_the_next_apply_does_the_rest_once(
    planned: Repository, writes: int, series: int, tmp_path: Path
) -> None:
    chance = random.Random(series)  # noqa: S311 - the same in every run
    kills, rounds = 0, 0
    while kills < KILLS / SERIES:
        rounds += 1
        repository, said = planned.copied(tmp_path / str(rounds)), ""
        while (done := apply_and_kill(repository, chance.randint(1, writes // 2))).returncode:
            assert done.returncode == -signal.SIGKILL, done.stderr
            kills += 1
            again = plan(repository)
            assert again.returncode in {0, CHANGES}, again.stderr
            said += done.stderr
        assert plan(repository).returncode == 0
        await assert_as_wanted(repository, said + done.stderr)
        shutil.rmtree(repository.root)
