"""`login`, `logout`, `whoami`, `profiles` and the profile of a server."""

import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mcp import Client, StdioServerParameters
from support import serving
from tools.secrets.stores.backends import keyring_on, secret_service

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_mcp.sandbox.credentials import SandboxCredentials

PROJECT, SECRET = SANDBOX_CREDENTIALS.project_id, SANDBOX_CREDENTIALS.secret
LIVE = SandboxCredentials("project-live-1", "secret-live-canary-Zx81kQ0pLm27")
PROGRAM = [sys.executable, "-m", "connected_apps_mcp"]
STRICT = {"PYTHONIOENCODING": "utf-8:strict"}
"""Reads as in a locale with UTF-8."""


@pytest.fixture
def service() -> Iterator[str]:
    """The URL of a service with a test project."""
    with serving(create_sandbox()) as url:
        yield url


@pytest.fixture
def live_service() -> Iterator[str]:
    """The URL of a service with a live project."""
    with serving(create_sandbox(credentials=LIVE)) as url:
        yield url


def run(*arguments: str, stdin: str = "", **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin, env=environment)


def try_to_log_in(
    service: str, *arguments: str, secret: str = SECRET, project: str = PROJECT
) -> Result:
    return run(
        "login", "--project-id", project, "--base-url", service, *arguments, stdin=f"{secret}\n"
    )


def log_in(service: str, *arguments: str, **credentials: str) -> Result:
    done = try_to_log_in(service, *arguments, **credentials)
    assert done.exit_code == 0, done.output
    return done


def config() -> Path:
    return Path.home() / ".config" / "connected-apps-mcp"


def test_login_stores_credentials_that_the_service_accepts(service: str) -> None:
    assert log_in(service).exit_code == 0
    shown = run("whoami")
    assert shown.exit_code == 0
    assert f"Project:     {PROJECT}\n" in shown.stdout
    assert "Credentials: from profile default\nService:     answers\n" in shown.stdout


def test_login_says_aloud_that_a_file_has_the_secret(service: str) -> None:
    shown = log_in(service).stdout
    assert f"Its secret is in the file {config()}/credentials/default.\n" in shown
    assert "No OS keyring answers here." in shown
    assert (config() / "credentials" / "default").stat().st_mode & 0o777 == 0o600


def test_login_prefers_the_keyring(service: str, tmp_path: Path) -> None:
    with secret_service(tmp_path) as bus, keyring_on(bus):
        assert "Its secret is in the OS keyring, service" in log_in(service).stdout
        assert run("whoami").exit_code == 0
        files = [file.read_text() for file in config().rglob("*") if file.is_file()]
        assert SECRET not in "".join(files)
        assert run("logout").exit_code == 0
        assert run("whoami").exit_code == 2


def test_a_login_without_the_keyring_names_the_secret_that_stays_in_it(
    service: str, tmp_path: Path
) -> None:
    with secret_service(tmp_path) as bus:
        with keyring_on(bus):
            log_in(service)
        again = log_in(service)
        assert again.exit_code == 0
        assert "An earlier secret is still in the OS keyring, service" in again.stderr
        assert run("whoami").exit_code == 0


def test_a_refusal_says_what_to_do_without_the_keyring(service: str, tmp_path: Path) -> None:
    with secret_service(tmp_path) as bus, keyring_on(bus):
        log_in(service)
    assert "Or run connected-apps-mcp login --profile default" in run("whoami").stderr
    refused = run("logout")
    assert refused.exit_code == 2
    assert f"Or remove {config()}/profiles/default.toml by hand." in refused.stderr


def test_an_empty_name_is_not_the_default_profile(service: str) -> None:
    log_in(service)
    assert run("logout", "--profile", "").exit_code == 2
    assert run("whoami").exit_code == 0


@pytest.mark.parametrize(
    ("shell", "words", "cause"),
    [
        ('"$@" <&-', ["--project-id", PROJECT], "Standard input holds no secret."),
        ('"$@" <&-', [], "--project-id is needed"),
        ("printf '\\377' | \"$@\"", ["--project-id", PROJECT], "The secret is not text."),
    ],
)
def test_without_a_secret_to_read_nothing_is_sent(shell: str, words: list[str], cause: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *PROGRAM, "login", *words],
        env=os.environ | STRICT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {cause}")


def test_refused_credentials_are_not_stored(service: str) -> None:
    refused = try_to_log_in(service, secret="secret-test-wrong-Qm27Lp90")
    assert refused.exit_code == 1
    assert "The credentials could not be proved." in refused.stderr
    assert "Qm27Lp90" not in refused.output
    assert not list(config().rglob("*.toml"))


def test_a_service_that_cannot_be_reached_stores_nothing() -> None:
    refused = try_to_log_in("http://127.0.0.1:9")
    assert refused.exit_code == 1
    assert "could not be reached" in refused.stderr
    assert not list(config().rglob("*.toml"))


@pytest.mark.parametrize(
    ("project", "secret", "cause"),
    [
        ("project-live-1", "secret-test-1", "The secret belongs to a test project. The project id"),
        ("prod", "secret", "The project id is malformed: it must look like project-test-"),
        (PROJECT, "", "Standard input holds no secret."),
        (PROJECT, "two words", "The secret is malformed"),
    ],
)
def test_malformed_credentials_are_refused_unsent(project: str, secret: str, cause: str) -> None:
    refused = try_to_log_in("http://127.0.0.1:9", project=project, secret=secret)
    assert refused.exit_code == 2
    assert cause in refused.stderr


def test_without_a_terminal_the_project_must_be_given() -> None:
    refused = run("login", stdin=SECRET)
    assert refused.exit_code == 2
    assert "--project-id is needed" in refused.stderr


def test_there_is_no_flag_for_the_secret() -> None:
    assert run("login", "--secret", SECRET).exit_code == 2


def test_an_invalid_setting_is_refused_and_nothing_stored(service: str) -> None:
    refused = try_to_log_in(service, "--toolsets", "appz")
    assert refused.exit_code == 2
    assert "appz" in refused.stderr
    assert not list(config().rglob("*.toml"))


def test_a_profile_remembers_flags_with_absolute_paths(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log_in(service, "--data-dir", "data", "--toolsets", "apps,review")
    assert run("profiles").stdout.splitlines()[1:] == [
        f"             --base-url {service}",
        f"             --data-dir {tmp_path}/data",
        "             --toolsets apps,review",
    ]


def test_logging_in_again_keeps_the_other_flags(service: str) -> None:
    log_in(service, "--toolsets", "apps", "--read-only")
    log_in(service, "--toolsets", "review")
    listed = run("profiles").stdout
    assert "--toolsets review" in listed
    assert "--read-only true" in listed


def test_logging_in_to_another_project_forgets_the_flags(service: str, live_service: str) -> None:
    log_in(service, "--toolsets", "apps")
    log_in(live_service, project=LIVE.project_id, secret=LIVE.secret)
    assert "--toolsets" not in run("profiles").stdout


def test_login_names_variables_that_win_over_the_profile(service: str) -> None:
    shown = run(
        *("login", "--project-id", PROJECT, "--base-url", service),
        stdin=SECRET,
        STYTCH_PROJECT_ID="project-test-2",
        STYTCH_SECRET="another",
    )
    assert shown.exit_code == 0
    assert "The environment gives STYTCH_PROJECT_ID and STYTCH_SECRET, which win" in shown.stdout


def test_a_live_project_is_announced_as_read_only(live_service: str) -> None:
    arguments = ("--profile", "live")
    shown = log_in(live_service, *arguments, project=LIVE.project_id, secret=LIVE.secret)
    assert "It is a live project: tools only read it" in shown.stdout
    assert "Next: connected-apps-mcp install --profile live" in shown.stdout


def test_whoami_fails_where_the_service_refuses(service: str) -> None:
    log_in(service)
    (config() / "credentials" / "default").write_text("secret-test-old")
    shown = run("whoami")
    assert shown.exit_code == 1
    assert "The credentials could not be proved." in shown.stderr


def test_whoami_knows_the_sandbox() -> None:
    shown = run("whoami", "--sandbox")
    assert shown.exit_code == 0
    assert "Project:     in the sandbox" in shown.stdout


def test_logout_removes_the_profile_with_its_secret(service: str) -> None:
    log_in(service, "--profile", "old")
    assert run("logout", "--profile", "old").exit_code == 0
    assert not [file for file in config().rglob("*") if file.is_file()]


def test_logout_from_an_unknown_profile_is_refused() -> None:
    refused = run("logout", "--profile", "old")
    assert refused.exit_code == 2
    assert "There is no profile old." in refused.stderr


@pytest.fixture
def damaged(service: str) -> Path:
    """The file of a damaged profile, beside a profile that can be used."""
    log_in(service)
    log_in(service, "--profile", "staging")
    file = config() / "profiles" / "default.toml"
    file.write_text("project_id = ")
    return file


def test_a_damaged_profile_can_be_replaced_by_logging_in(service: str, damaged: Path) -> None:
    assert log_in(service).exit_code == 0
    assert PROJECT in damaged.read_text()


def test_a_damaged_profile_can_be_removed_with_its_secret(damaged: Path) -> None:
    assert run("logout").exit_code == 0
    assert not damaged.exists()
    assert not (config() / "credentials" / "default").exists()


def test_a_damaged_profile_hides_no_other(damaged: Path) -> None:
    listed = run("profiles")
    assert listed.stdout.startswith("staging ")
    assert f"{damaged}: not TOML" in listed.stderr


def test_profiles_says_how_to_make_the_first() -> None:
    assert "run connected-apps-mcp login" in run("profiles").stderr


def test_the_variable_names_the_profile_of_login_too(service: str) -> None:
    run(
        *("login", "--project-id", PROJECT, "--base-url", service),
        stdin=SECRET,
        CONNECTED_APPS_MCP_PROFILE="staging",
    )
    assert run("profiles").stdout.startswith("staging ")


def test_at_a_terminal_the_secret_is_asked_for_without_echo(service: str) -> None:
    terminal, side = pty.openpty()
    command = [*PROGRAM, "login", "--base-url", service]
    with subprocess.Popen(
        command, stdin=side, stdout=side, stderr=side, start_new_session=True
    ) as process:
        os.close(side)
        seen = _answer(terminal, b"Project id", PROJECT.encode())
        seen += _answer(terminal, b"shown)", SECRET.encode()) + _rest(terminal)
    os.close(terminal)
    assert process.returncode == 0
    assert f"Logged in to {PROJECT}".encode() in seen
    assert SECRET.encode() not in seen


def test_bytes_that_are_no_text_are_refused_at_a_terminal() -> None:
    terminal, side = pty.openpty()
    command, strict = [*PROGRAM, "login", "--project-id", PROJECT], os.environ | STRICT
    with subprocess.Popen(
        command, stdin=side, stdout=side, stderr=side, start_new_session=True, env=strict
    ) as process:
        os.close(side)
        _answer(terminal, b"shown)", b"\xff\xfe")
        seen = _rest(terminal)
    os.close(terminal)
    assert process.returncode == 2
    assert b"Error: The secret is not text." in seen


def _answer(terminal: int, question: bytes, text: bytes) -> bytes:
    seen = b""
    while question not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, text + b"\n")
    return seen


def _rest(terminal: int) -> bytes:
    seen = b""
    try:
        while part := os.read(terminal, 1024):
            seen += part
    except OSError:  # the other side is closed
        pass
    return seen


@pytest.fixture
def _two_profiles(service: str, live_service: str) -> None:
    log_in(service)
    log_in(live_service, "--profile", "live", project=LIVE.project_id, secret=LIVE.secret)


@asynccontextmanager
async def server(*arguments: str, **environment: str) -> AsyncIterator[Client]:
    """A client of a server that runs with these arguments and variables."""
    command, *first = PROGRAM
    parameters = StdioServerParameters(
        command=command, args=[*first, *arguments], env={"HOME": str(Path.home())} | environment
    )
    async with Client(parameters) as client:
        yield client


@pytest.mark.usefixtures("_two_profiles")
async def test_two_profiles_are_two_servers_that_say_which_they_are() -> None:
    async with server() as test, server("--profile", "live") as live:
        assert str(test.instructions).startswith(f"This is the test project {PROJECT} (profile def")
        assert str(live.instructions).startswith(
            "This is the live project project-live-1 (profile live): real users depend on it."
        )
        assert live.server_info
        assert live.server_info.title == "Stytch Connected Apps (live)"


@pytest.mark.usefixtures("_two_profiles")
async def test_a_server_with_other_credentials_does_not_go_by_the_name_of_its_profile(
    service: str,
) -> None:
    given = {"STYTCH_PROJECT_ID": PROJECT, "STYTCH_SECRET": SECRET}
    given["CONNECTED_APPS_MCP_BASE_URL"] = service
    async with server("--profile", "live", **given) as test:
        assert str(test.instructions).startswith(f"This is the test project {PROJECT}. ")
        assert test.server_info
        assert "live" not in str(test.server_info.title)


@pytest.mark.usefixtures("_two_profiles")
@pytest.mark.parametrize(("flags", "writes"), [([], False), (["--allow-live-writes"], True)])
async def test_the_live_profile_is_read_only_until_live_writes_are_allowed(
    flags: list[str],
    writes: bool,
) -> None:
    async with server("--profile", "live", *flags) as live:
        tools = {tool.name for tool in (await live.list_tools()).tools}
    assert ("create_app" in tools) is writes
