"""The demo, as `make demo` runs it."""

import os
import subprocess
from pathlib import Path

import pytest
from mcp import StdioServerParameters
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import REAL, SERVER, serving

from connected_apps_mcp.commands import demo
from connected_apps_mcp.commands.common import run

MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
"""Variables that let coverage measure a process with an environment of its own."""


def test_the_demo_passes_from_another_folder_under_a_read_only_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    done = subprocess.run(
        [*SERVER, "demo"],
        cwd=tmp_path,
        env={"HOME": str(home), "PATH": os.environ["PATH"], **MEASURED},
        capture_output=True,
        text=True,
        check=True,
    )
    for step in ("create_app", "search_apps", "update_app", "get_app", "delete_app", "Every step"):
        assert step in done.stdout
    assert done.stderr == ""
    assert list(home.iterdir()) == []


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """A service that refuses everything."""
    await JSONResponse({"error_type": "bad_request"}, 400)(scope, receive, send)


def test_the_demo_fails_when_a_step_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(refuse) as url:
        parameters = StdioServerParameters(
            command=SERVER[0], args=[*SERVER[1:], "--base-url", url], env=REAL
        )
        monkeypatch.setattr(demo, "SERVER", parameters)
        with pytest.raises(demo.StepFailed, match="create_app returned"):
            run(demo.run_demo)


def test_a_demo_without_a_server_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "SERVER", StdioServerParameters(command="/bin/false"))
    with pytest.raises(demo.FAILURES, match="Connection closed"):
        run(demo.run_demo)


def test_a_failed_check_ends_the_demo() -> None:
    with pytest.raises(demo.StepFailed, match="Not true: two is one"):
        demo._check("two is one", passed=False)
