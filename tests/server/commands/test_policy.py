"""`connected-apps-mcp policy check`."""

from pathlib import Path

import anyio
import httpx2
import pytest
from click.testing import CliRunner, Result
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import REAL, SANDBOX, serving

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import CreateApp

pytestmark = pytest.mark.usefixtures("_logging_as_before")

RULES = """
redirect_hosts = ["*.corp.example"]
max_access_token_expiry_minutes = 60
[protected_apps]
client_ids = ["connected-app-test-nowhere"]
names = ["Billing", "Bliling"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(RULES)
    return file


def check(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["policy", "check", *arguments], env=environment)


async def fill(database: Path, *apps: CreateApp) -> None:
    transport = httpx2.ASGITransport(create_sandbox(database=database))
    async with ConnectedAppsClient(
        SANDBOX, base_url="http://localhost", transport=transport
    ) as api:
        for app in apps:
            await api.create(app)


def test_without_a_project_the_file_alone_is_checked(file: Path) -> None:
    done = check("--policy", str(file))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"{file} is valid.",
        '  redirect_hosts = ["*.corp.example"]',
        "  max_access_token_expiry_minutes = 60",
        '  protected_apps.client_ids = ["connected-app-test-nowhere"]',
        '  protected_apps.names = ["Billing", "Bliling"]',
        (
            "No apps were checked. To check them, set STYTCH_PROJECT_ID and STYTCH_SECRET, or use "
            "--sandbox."
        ),
    ]


def test_a_file_without_rules_limits_nothing(file: Path) -> None:
    file.write_text("# later")
    assert "  No limits." in check("--policy", str(file)).stdout.splitlines()


def test_the_file_may_come_from_the_environment(file: Path) -> None:
    assert f"{file} is valid." in check(CONNECTED_APPS_MCP_POLICY=str(file)).stdout


def test_an_invalid_file_is_refused(file: Path) -> None:
    file.write_text("redirect_hosts = ['app*.corp.example']")
    refused = check("--policy", str(file))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"{file}: redirect_hosts.0: app*.corp.example: an asterisk" in refused.stderr


def test_the_file_is_required() -> None:
    refused = check()
    assert refused.exit_code == 2
    assert "--policy or CONNECTED_APPS_MCP_POLICY: name the file to check" in refused.stderr


def test_the_apps_that_break_a_rule_are_listed_and_nothing_is_changed(
    file: Path, tmp_path: Path
) -> None:
    database = tmp_path / "apps.sqlite3"
    good, evil = "https://app.corp.example/", "https://evil.example/"
    anyio.run(
        fill,
        database,
        CreateApp(client_type="first_party", client_name="Billing", redirect_urls=[good]),
        CreateApp(
            client_type="first_party",
            client_name="Bad\x1b[31m\u202e",
            redirect_urls=[good, evil],
            access_token_expiry_minutes=61,
        ),
    )
    done = check("--policy", str(file), "--sandbox", "--sandbox-db", str(database))
    assert done.exit_code == 1
    name, *breaches, absent_id, absent_name, count = done.stdout.splitlines()[5:]
    assert name.endswith(" (Bad [31m)")
    assert breaches == [
        "  policy redirect_hosts: evil.example is not allowed (redirect_urls)",
        (
            "  policy max_access_token_expiry_minutes: "
            "access_token_expiry_minutes is 61; the limit is 60"
        ),
    ]
    assert absent_id == (
        'Note: protected_apps.client_ids matches no app here: "connected-app-test-nowhere"'
    )
    assert absent_name == 'Note: protected_apps.names matches no app here: "Bliling"'
    assert count == "1 of 2 apps break the policy."
    again = check("--policy", str(file), "--sandbox", "--sandbox-db", str(database))
    assert again.stdout == done.stdout


def test_without_apps_none_breaks_the_policy(file: Path) -> None:
    done = check("--policy", str(file), "--sandbox")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "0 of 0 apps break the policy."


async def _failing(scope: Scope, receive: Receive, send: Send) -> None:
    body = {"status_code": 401, "error_type": "unauthorized_credentials", "error_message": "No."}
    await JSONResponse(body, status_code=401)(scope, receive, send)


def test_an_error_of_the_service_is_not_a_broken_rule(file: Path) -> None:
    with serving(_failing) as url:
        failed = check("--policy", str(file), "--base-url", url, **REAL)
    assert failed.exit_code == 2
    assert "The apps cannot be read: No." in failed.stderr


def test_half_of_the_credentials_is_refused(file: Path) -> None:
    refused = check("--policy", str(file), STYTCH_PROJECT_ID="project-test-1")
    assert refused.exit_code == 2
    assert "STYTCH_SECRET is not set" in refused.stderr


def test_help_gives_the_exit_codes() -> None:
    shown = " ".join(check("--help").stdout.split())
    assert (
        "Exit code 0: no app breaks a rule. 1: an app breaks a rule. 2: the file is invalid"
        in shown
    )
