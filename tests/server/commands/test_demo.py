"""The demo: as `make demo` runs it, and over HTTP."""

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from mcp import StdioServerParameters
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import REAL, SERVER, serving

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.commands.common import run
from connected_apps_mcp.commands.demos import over_http, steps
from connected_apps_mcp.commands.demos.person import Person

MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
"""Variables that let coverage measure a process with an environment of its own."""

JWT = "eyJ"
"""How each JSON Web Token begins."""

HTTP = ["--sandbox", "--transport", "http", "--port", "0"]


def demonstrated(folder: Path, *flags: str) -> str:
    """The output of a demo that passes from another folder, under a home that it cannot change."""
    home = folder / "home"
    home.mkdir(mode=0o500)
    done = subprocess.run(
        [*SERVER, "demo", *flags],
        cwd=folder,
        env={"HOME": str(home), "PATH": os.environ["PATH"], **MEASURED},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert list(home.iterdir()) == []
    return done.stdout


def test_the_demo_passes_from_another_folder_under_a_read_only_home(tmp_path: Path) -> None:
    shown = demonstrated(tmp_path)
    for step in ("create_app", "search_apps", "update_app", "get_app", "delete_app", "Every step"):
        assert step in shown


def test_the_demo_over_http_shows_a_login_a_refusal_and_the_step_up(tmp_path: Path) -> None:
    passed = [
        line.split(maxsplit=2) for line in demonstrated(tmp_path, "--http").splitlines()[1:-1]
    ]
    assert [(mark, step) for mark, step, _ in passed] == [
        ("ok", step)
        for step in (
            *("login", "consent", "create_app", "delete_app", "step-up"),
            *("delete_app", "audit", "caller"),
        )
    ]
    login, _, _, refusal, step_up, *_ = (rest for _, _, rest in passed)
    assert "apps:write" in login
    assert "apps:delete" not in login
    assert "HTTP 403, it needs apps:delete" in refusal
    assert "asked for apps:delete too" in step_up


def test_the_demo_over_http_shows_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person()
    monkeypatch.setattr(over_http, "Person", lambda: person)
    done = CliRunner().invoke(main, ["demo", "--http"])
    assert done.exit_code == 0
    assert person.memory.tokens
    assert person.memory.tokens.access_token.startswith(JWT)
    for secret in (JWT, person.memory.tokens.refresh_token):
        assert secret
        assert secret not in done.output


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """A service that refuses everything."""
    await JSONResponse({"error_type": "bad_request"}, 400)(scope, receive, send)


def test_the_demo_fails_when_a_step_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(refuse) as url:
        parameters = StdioServerParameters(
            command=SERVER[0], args=[*SERVER[1:], "--base-url", url], env=REAL
        )
        monkeypatch.setattr(steps, "SERVER", parameters)
        with pytest.raises(steps.StepFailed, match="create_app returned"):
            run(steps.run_demo)


def test_a_demo_without_a_server_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "SERVER", StdioServerParameters(command="/bin/false"))
    with pytest.raises(steps.FAILURES, match="Connection closed"):
        run(steps.run_demo)


def test_a_failed_check_ends_the_demo() -> None:
    with pytest.raises(steps.StepFailed, match="Not true: two is one"):
        steps.check("two is one", passed=False)


FAILING = {
    "a server that does not start": (
        ["serve", "--port", "none"],
        "The server did not start. Error: ",
    ),
    "a server without logins": (["serve", *HTTP], "Not true: the client logged in."),
    "a server that changes nothing": (
        ["serve", *HTTP, "--auth", "sandbox", "--read-only"],
        "There is no such tool. The server is read-only",
    ),
}


@pytest.mark.parametrize(("flags", "said"), FAILING.values(), ids=FAILING)
def test_a_demo_over_http_that_fails_says_why(
    flags: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_http, "FLAGS", flags)
    done = CliRunner().invoke(main, ["demo", "--http"])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith(f"  --  {said}")


def test_a_login_that_fails_ends_the_demo_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(over_http, "Person", partial(Person, "unknown"))
    done = CliRunner().invoke(main, ["demo", "--http"])
    assert done.exit_code == 1
    assert done.stdout.endswith("  --  Not true: the issuer sends the person back.\n")
    assert "Traceback" not in done.output
