"""An export that is applied to an empty project, as processes."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from server.commands.manifest.repositories import Repository
from sizes import sized

from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools.api.models import App
from connected_apps_tools.manifest.settings import given_in, settings_of

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in it


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: an app takes a dozen waits for a disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def settings_in(apps: Iterable[App]) -> Counter[str]:
    """The settings of apps, however often they occur."""
    return Counter(repr(sorted(given_in(settings_of(app)).items())) for app in apps)


@pytest.mark.series
@pytest.mark.parametrize("count", sorted({1, 100, sized("apps in a manifest")}))
def test_an_export_gives_an_empty_project_equal_apps(folder: Path, count: int) -> None:
    source, empty = (Repository.make(folder / name) for name in ("source", "empty"))
    seed(source.open(), Seed(generated_apps=count))
    exported = source.run("export")
    assert f": {count:,} app" in exported.stdout
    assert source.run("plan").returncode == 0
    empty.manifest.write_bytes(source.manifest.read_bytes())
    assert f"Done: {count} of {count} steps." in empty.applied().stdout
    assert empty.run("plan", "--prune").returncode == 0
    apps = empty.apps()
    assert settings_in(apps) == settings_in(source.apps())
    assert empty.bound.keys() == source.bound.keys()
    assert {*empty.bound.values()} == {app.client_id for app in apps}
    assert empty.run("export").stdout.startswith("Nothing has changed")
