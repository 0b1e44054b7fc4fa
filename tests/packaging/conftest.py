"""The packages of this checkout, and the tools that judge them."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import OF_THE_TESTER, cannot_run, node_in

import project

BIN = Path(sys.executable).parent

Run = Callable[..., str]


@pytest.fixture(scope="session")
def tools() -> Mapping[str, str]:
    """The environment of a tool for packages, of the extra `release`."""
    if not (BIN / "twine").exists():
        cannot_run("they need the tools for packages: `make packages` installs them.")
    return {**OF_THE_TESTER, "PATH": os.pathsep.join([str(BIN), OF_THE_TESTER["PATH"]])}


@pytest.fixture
def run(tools: Mapping[str, str], tmp_path: Path) -> Run:
    """Runs a command in an empty folder. Its output is the answer; it must end well."""

    def run(*command: str | Path, **variables: str) -> str:
        done = subprocess.run(
            command,
            env={**tools, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def dist(tools: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    uv = str(BIN / "uv")
    subprocess.run(
        [uv, "build", "--quiet", "--out-dir", folder, project.ROOT], env=tools, check=True
    )
    return folder


@pytest.fixture(scope="session")
def published(
    tools: Mapping[str, str], dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """The environment of a person for whom the packages are on the index."""
    home = tmp_path_factory.mktemp("home")
    config = home / ".config" / "uv" / "uv.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'find-links = ["{dist}"]\ncache-dir = "{home}/cache"\n', "utf-8")
    environment = {**tools, "HOME": str(home)}
    subprocess.run(
        [str(BIN / "uvx"), project.read_project().name, "--version"], env=environment, check=True
    )
    # From now on it needs no index: some clients pass on only a part of the environment.
    with config.open("a", encoding="utf-8") as more:
        more.write("offline = true\n")
    return environment


@pytest.fixture(scope="session")
def node(tools: Mapping[str, str]) -> Callable[[Path], Path]:
    """Installs what a package.json names, and gives the folder of its programs."""

    def install(folder: Path) -> Path:
        node_in(folder, "programs of npm", tools)
        return folder / "node_modules" / ".bin"

    return install
