"""`connected-apps-mcp policy check` and `policy caller`."""

import re
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

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "policy.md"

RULES = """
redirect_hosts = ["*.corp.example"]
max_access_token_expiry_minutes = 60
[protected_apps]
client_ids = ["connected-app-test-nowhere"]
names = ["Billing", "Bliling"]
"""


CALLER_RULES = """
reveal = "never"
[[callers]]
match = { groups = ["agents"] }
unless = { clients = ["trusted"] }
toolsets = ["apps"]
protected_apps = { names = ["Nowhere"] }
[[callers]]
grant_scopes = ["apps:read"]
max_scopes = ["apps:read", "apps:write"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(RULES)
    return file


def check(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["policy", "check", *arguments], env=environment)


def caller(file: Path, *facts: str) -> list[str]:
    done = CliRunner().invoke(main, ["policy", "caller", "--policy", str(file), *facts])
    assert done.exit_code == 0
    return done.stdout.splitlines()


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


def test_rules_for_callers_are_printed(file: Path) -> None:
    file.write_text(CALLER_RULES)
    assert check("--policy", str(file)).stdout.splitlines()[2:4] == [
        (
            '  callers.0 = { match = { groups = ["agents"] }, unless = { clients = ["trusted"] }, '
            'toolsets = ["apps"], protected_apps = { names = ["Nowhere"] } }'
        ),
        '  callers.1 = { grant_scopes = ["apps:read"], max_scopes = ["apps:read", "apps:write"] }',
    ]


def test_an_app_that_is_protected_from_some_callers_is_looked_for(file: Path) -> None:
    file.write_text(CALLER_RULES)
    note = 'Note: protected_apps.names matches no app here: "Nowhere"'
    assert note in check("--policy", str(file), "--sandbox").stdout.splitlines()


def test_what_a_caller_may_do_is_printed(file: Path) -> None:
    file.write_text(CALLER_RULES)
    assert caller(file, "--group", "agents") == [
        "Rules for this caller: callers.0, callers.1",
        '  reveal = "never"',
        '  toolsets = ["apps"]',
        '  protected_apps.names = ["Nowhere"]',
        "Scopes at most: apps:read, apps:write",
        "Scopes with --auth-scopes policy: apps:read",
        "Tools at most: clone_app, create_app, get_app, get_server_status, search_apps, update_app",
    ]


def test_a_caller_that_a_rule_spares_may_do_more(file: Path) -> None:
    file.write_text(CALLER_RULES)
    rules, *_, tools = caller(file, "--group", "agents", "--client", "trusted")
    assert rules == "Rules for this caller: callers.1"
    assert "review_apps" in tools


def test_a_caller_of_no_rule_is_limited_by_the_rest_of_the_policy(file: Path) -> None:
    shown = caller(file, "--subject", "ada", "--issuer", "https://issuer.example")
    assert shown[0] == "Rules for this caller: none"
    assert "  max_access_token_expiry_minutes = 60" in shown
    assert shown[-2] == "Scopes with --auth-scopes policy: none"
    assert "reveal_client_secret" in shown[-1]


def test_a_caller_is_asked_about_with_a_policy() -> None:
    refused = CliRunner().invoke(main, ["policy", "caller", "--group", "agents"])
    assert refused.exit_code == 2
    assert "--policy or CONNECTED_APPS_MCP_POLICY: name the file to check" in refused.stderr


def test_the_documented_caller_may_do_what_the_document_says(file: Path) -> None:
    shown = re.search(
        r"\$ cat policy.toml\n(.*?)\n\$ (.*?)\n(.*?)```", DOCS.read_text("utf-8"), re.S
    )
    assert shown
    rules, command, output = shown.groups()
    file.write_text(rules)
    arguments = command.replace("policy.toml", str(file)).split()[1:]
    assert CliRunner().invoke(main, arguments).stdout == output
