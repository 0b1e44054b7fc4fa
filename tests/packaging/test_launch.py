"""`install` writes the command that is still there tomorrow, however the package was installed."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from mcp import StdioServerParameters
from support import listed_by

from connected_apps_mcp.client_configs.entries import command_of
from links import PROJECT
from project import ROOT

Run = Callable[..., str]
Variables = Mapping[str, str]

INSTALL = (PROJECT.name, "install", "cursor", "--sandbox")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a person with an empty configuration."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def uvx(variables: Variables) -> str:
    """The path of uvx."""
    found = shutil.which("uvx", path=variables["PATH"])
    assert found
    return found


def written(home: Path) -> list[str]:
    """The command in the entry of Cursor."""
    servers = json.loads((home / ".cursor" / "mcp.json").read_text())["mcpServers"]
    return command_of(servers["connected-apps-sandbox"])


async def works(command: list[str], home: Path, variables: Variables) -> bool:
    """Whether the command starts this server, as a client starts it."""
    program, *arguments = command
    server = StdioServerParameters(
        command=program, args=arguments, env={**variables, "HOME": str(home)}, cwd=home
    )
    return "search_apps" in await listed_by(server)


async def test_uvx_from_the_index_is_written_as_such(
    published: Variables, run: Run, home: Path
) -> None:
    settings = Path(".config", "uv")
    shutil.copytree(published["HOME"] / settings, home / settings)
    run("uvx", *INSTALL, HOME=str(home))
    assert written(home) == [uvx(published), PROJECT.name, "--sandbox"]
    assert await works(written(home), home, published)


async def test_uvx_from_a_wheel_names_the_wheel(
    run: Run, dist: Path, home: Path, tools: Variables
) -> None:
    wheel = dist / PROJECT.wheel
    run("uvx", "--from", wheel, *INSTALL, HOME=str(home))
    assert written(home) == [*(uvx(tools), "--from", wheel.as_uri(), PROJECT.name, "--sandbox")]
    assert await works(written(home), home, tools)


async def test_uvx_from_a_repository_names_its_commit(
    run: Run, home: Path, tools: Variables
) -> None:
    commit = run("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    run("uvx", "--from", f"git+{ROOT.as_uri()}", *INSTALL, HOME=str(home))
    source = f"git+{ROOT.as_uri()}@{commit}"
    assert written(home) == [uvx(tools), "--from", source, PROJECT.name, "--sandbox"]
    assert await works(written(home), home, tools)


def test_uvx_is_found_beside_uv_where_it_is_not_on_the_path(
    run: Run, dist: Path, home: Path, tools: Variables
) -> None:
    for name in ("dirname", "realpath"):  # the script of the package needs them
        (home / name).symlink_to(shutil.which(name) or name)
    variables = {"HOME": str(home), "PATH": str(home), "UV_PYTHON": sys.executable}
    run(uvx(tools), "--from", dist / PROJECT.wheel, *INSTALL, **variables)
    assert written(home)[0] == uvx(tools)


async def test_a_tool_of_uv_is_started_where_uv_links_it(
    run: Run, dist: Path, home: Path, tools: Variables
) -> None:
    programs = home / ".local" / "bin"
    path = f"{programs}:{tools['PATH']}"
    run("uv", "tool", "install", "--quiet", dist / PROJECT.wheel, HOME=str(home), PATH=path)
    run(programs / PROJECT.name, *INSTALL[1:], HOME=str(home), PATH=path)
    assert written(home) == [str(programs / PROJECT.name), "--sandbox"]
    assert await works(written(home), home, tools)


async def test_a_program_of_pipx_is_started_where_pipx_links_it(
    run: Run, dist: Path, home: Path, tools: Variables
) -> None:
    programs = home / ".local" / "bin"
    folders = {"HOME": str(home), "PATH": f"{programs}:{tools['PATH']}"}
    run("pipx", "install", "--quiet", dist / PROJECT.wheel, **folders)
    run(programs / PROJECT.name, *INSTALL[1:], **folders)
    assert written(home) == [str(programs / PROJECT.name), "--sandbox"]
    assert await works(written(home), home, tools)


async def test_a_virtual_environment_is_named_by_its_path(
    run: Run, dist: Path, home: Path, tools: Variables
) -> None:
    environment = home / "venv"
    program = environment / "bin" / PROJECT.name
    run("uv", "venv", "--quiet", environment)
    run("uv", "pip", "install", "--python", environment / "bin" / "python", dist / PROJECT.wheel)
    run(program, *INSTALL[1:], HOME=str(home))
    assert written(home) == [str(program), "--sandbox"]
    assert await works(written(home), home, tools)
