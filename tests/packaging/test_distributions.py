"""The sdist and the wheel, installed the way that people install them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from mcp import StdioServerParameters
from support import REAL, default_tools, listed_by

from links import ENTRIES, PROJECT, Entry
from project import ROOT

Run = Callable[..., str]

SAID = f"{PROJECT.name}, version {PROJECT.version}"


def test_an_index_can_show_both(run: Run, dist: Path) -> None:
    shown = run("twine", "check", "--strict", dist / PROJECT.sdist, dist / PROJECT.wheel)
    assert shown.count("PASSED") == 2


def test_the_sdist_builds_the_same_wheel_as_the_checkout(
    run: Run, dist: Path, tmp_path: Path
) -> None:
    run("uv", "build", "--wheel", "--out-dir", tmp_path, ROOT)
    assert (tmp_path / PROJECT.wheel).read_bytes() == (dist / PROJECT.wheel).read_bytes()


@pytest.mark.parametrize("package", [PROJECT.sdist, PROJECT.wheel])
def test_each_installs_in_an_empty_environment(
    run: Run, dist: Path, tmp_path: Path, package: str
) -> None:
    run("uv", "venv", "--quiet", tmp_path / "venv")
    programs = tmp_path / "venv" / "bin"
    pins = ["--constraint", ROOT / "constraints.txt"]
    run("uv", "pip", "install", "--quiet", "--python", programs / "python", *pins, dist / package)
    assert SAID in run(programs / PROJECT.name, "--version")


def test_uvx_runs_the_wheel(run: Run, dist: Path) -> None:
    assert SAID in run("uvx", "--from", dist / PROJECT.wheel, PROJECT.name, "--version")


def test_pipx_runs_the_wheel(run: Run, dist: Path, tmp_path: Path) -> None:
    home = str(tmp_path / "pipx")
    command = ["pipx", "run", "--spec", dist / PROJECT.wheel, PROJECT.name, "--version"]
    assert SAID in run(*command, PIPX_HOME=home)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
async def test_the_entry_of_a_link_lists_the_tools_once_the_package_is_on_the_index(
    published: Mapping[str, str], tmp_path: Path, entry: Entry
) -> None:
    given = {} if entry.flags else REAL
    server = StdioServerParameters(
        command="uvx", args=[PROJECT.name, *entry.flags], env={**published, **given}, cwd=tmp_path
    )
    assert await listed_by(server) == default_tools("consumer" if entry.flags else None)
