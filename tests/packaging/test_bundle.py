"""The bundle for Claude Desktop, unpacked and started as its manifest says."""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from support import REAL, SERVER, default_tools, listed_by, serving

import bundle
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from project import ROOT

Install = Callable[[Path], Path]

NODE = Path(__file__).parent / "node"

FILLED_IN = {"sandbox": False, "project_id": REAL["STYTCH_PROJECT_ID"]} | {
    "secret": REAL["STYTCH_SECRET"]
}

ALL, OF_THE_SANDBOX = default_tools(), default_tools("consumer")


@pytest.fixture(scope="module")
def unpacked(dist: Path, node: Install, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, as a client unpacks it."""
    node(ROOT / "packaging" / "node")
    folder = tmp_path_factory.mktemp("extension")
    with zipfile.ZipFile(bundle.build(dist)) as archive:
        archive.extractall(folder)
    return folder


def start(unpacked: Path, tools: Mapping[str, str], **chosen: Any) -> StdioServerParameters:
    """How a client starts the server, if a person has chosen this in the form."""
    official = ROOT / "packaging/node/node_modules/@anthropic-ai/mcpb/dist/shared/config.js"
    said = subprocess.run(
        [
            shutil.which("node") or "",
            NODE / "start_of_bundle.mjs",
            official,
            unpacked,
            json.dumps(chosen),
        ],
        env=tools,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    server = StdioServerParameters(**json.loads(said))
    own = dict(tools) | {"HOME": os.environ["HOME"]}
    return server.model_copy(update={"env": own | (server.env or {})})


async def test_who_has_chosen_nothing_gets_the_tools_of_the_sandbox(
    unpacked: Path, tools: Mapping[str, str]
) -> None:
    assert await listed_by(start(unpacked, tools)) == OF_THE_SANDBOX


async def test_who_has_filled_in_the_form_gets_the_tools_of_the_project(
    unpacked: Path, tools: Mapping[str, str]
) -> None:
    assert await listed_by(start(unpacked, tools, **FILLED_IN)) == ALL


async def test_a_choice_of_toolsets_and_a_switch_count(
    unpacked: Path, tools: Mapping[str, str]
) -> None:
    server = start(unpacked, tools, **FILLED_IN, toolsets="apps", read_only=True)
    assert await listed_by(server) == {"get_app", "search_apps", "get_server_status"}


@pytest.fixture
def careful() -> str:
    """A profile that is read-only."""
    with serving(create_sandbox()) as service:
        project = ["--project-id", SANDBOX_CREDENTIALS.project_id, "--base-url", service]
        subprocess.run(
            [*SERVER, "login", "--profile", "careful", "--read-only", *project],
            input=SANDBOX_CREDENTIALS.secret,
            text=True,
            check=True,
        )
    return "careful"


async def test_a_switch_that_is_off_does_not_win_over_a_profile(
    unpacked: Path, tools: Mapping[str, str], careful: str
) -> None:
    server = start(unpacked, tools, sandbox=False, profile=careful, read_only=False)
    listed = await listed_by(server)
    assert "search_apps" in listed
    assert "delete_app" not in listed


async def test_a_client_that_runs_the_entry_point_itself_gets_the_tools(
    unpacked: Path, tools: Mapping[str, str]
) -> None:
    server = start(unpacked, tools)
    point = json.loads((unpacked / "manifest.json").read_text("utf-8"))["server"]["entry_point"]
    itself = ["run", "--directory", str(unpacked), str(unpacked / point)]
    assert await listed_by(server.model_copy(update={"args": itself})) == OF_THE_SANDBOX


def test_who_turns_the_sandbox_off_and_gives_no_project_reads_what_is_missing(
    unpacked: Path, tools: Mapping[str, str]
) -> None:
    server = start(unpacked, tools, sandbox=False)
    done = subprocess.run(
        [server.command, *server.args],
        env=server.env,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "STYTCH_PROJECT_ID" in done.stderr
    assert "login" in done.stderr


def test_no_argument_of_the_server_holds_what_a_person_filled_in(
    unpacked: Path, tools: Mapping[str, str]
) -> None:
    server = start(unpacked, tools, **FILLED_IN)
    assert not any(value in argument for value in REAL.values() for argument in server.args)
    assert (server.env or {})["STYTCH_SECRET"] == REAL["STYTCH_SECRET"]


def test_it_holds_what_it_needs_and_no_more(unpacked: Path) -> None:
    names = {path.name for path in unpacked.iterdir()} - {".venv", "uv.lock"}
    assert names == {"LICENSE", "manifest.json", "pyproject.toml", "start.py", bundle.PROJECT.wheel}
