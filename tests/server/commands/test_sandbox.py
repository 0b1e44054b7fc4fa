"""`connected-apps-mcp sandbox serve` and `sandbox seed`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result
from mcp import Client, StdioServerParameters
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import REAL, SERVER, answer, running, serving

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_mcp.settings import loading
from connected_apps_mcp.wiring import open_project

PRINTED = {
    "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
    "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
}


@contextmanager
def sandbox(*arguments: str, lines: int = 3, **environment: str) -> Iterator[tuple[str, list[str]]]:
    """A sandbox on a free port: its URL and printed lines."""
    with running("sandbox", "serve", "--port", "0", *arguments, **environment) as process:
        assert process.stdout
        printed = [process.stdout.readline().strip() for _ in range(lines)]
        yield printed[-1].split()[-1], printed
    assert process.returncode == 0


async def names(url: str, credentials: dict[str, str]) -> list[str]:
    """The names of the apps that our server finds at a URL."""
    parameters = StdioServerParameters(
        command=SERVER[0], args=[*SERVER[1:], "--base-url", url], env=credentials
    )
    async with Client(parameters) as client:
        found = answer(await client.call_tool("search_apps", {}))
    return [app["client_name"] for app in found["apps"]]


def create(url: str, credentials: dict[str, str], name: str) -> httpx2.Response:
    return httpx2.post(
        f"{url}/v1/connected_apps/clients",
        json={"client_type": "first_party", "client_name": name},
        auth=(credentials["STYTCH_PROJECT_ID"], credentials["STYTCH_SECRET"]),
    )


async def test_it_prints_the_credentials_that_it_accepts() -> None:
    with sandbox() as (url, printed):
        assert printed[:2] == [f"{name}={value}" for name, value in PRINTED.items()]
        create(url, PRINTED, "Mine").raise_for_status()
        assert await names(url, PRINTED) == ["Mine"]


async def test_it_accepts_the_credentials_of_the_environment_and_does_not_print_them() -> None:
    with sandbox(lines=1, **REAL) as (url, printed):
        assert REAL["STYTCH_SECRET"] not in "".join(printed)
        assert create(url, PRINTED, "Refused").status_code == 400
        create(url, REAL, "Mine").raise_for_status()
        assert await names(url, REAL) == ["Mine"]


async def test_the_file_of_the_apps_can_be_shared_with_a_server(tmp_path: Path) -> None:
    file = str(tmp_path / "apps.sqlite3")
    with sandbox("--db", file) as (url, _):
        create(url, PRINTED, "Shared").raise_for_status()
        parameters = StdioServerParameters(
            command=SERVER[0], args=[*SERVER[1:], "--sandbox", "--sandbox-db", file]
        )
        async with Client(parameters) as client:
            found = answer(await client.call_tool("search_apps", {}))
    assert [app["client_name"] for app in found["apps"]] == ["Shared"]


def test_a_sandbox_issues_tokens_at_its_own_url_for_the_given_scopes() -> None:
    with sandbox("--scope", "apps:read", "--scope", "apps:write") as (url, _):
        metadata = httpx2.get(f"{url}/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == url
    assert metadata["scopes_supported"][-2:] == ["apps:read", "apps:write"]


@pytest.mark.parametrize(("calls", "statuses"), [(1, [200, 429]), (2, [200, 200])])
def test_a_rate_limit_can_be_set(calls: int, statuses: list[int]) -> None:
    with sandbox("--rate-limit", f"{calls}/3600") as (url, _):
        statuses_got = [create(url, PRINTED, "App").status_code for _ in statuses]
    assert statuses_got == statuses


ACME_APPS = "/v1/b2b/organizations/acme/connected_apps"


def seed(*arguments: str, plan: object = None) -> Result:
    """Run `sandbox seed`, with a seed as its standard input."""
    return CliRunner().invoke(main, ["sandbox", "seed", *arguments], input=json.dumps(plan))


def ids(result: Result) -> dict[str, Any]:
    """The printed ids."""
    assert result.exit_code == 0, result.stderr
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def read(url: str, path: str) -> httpx2.Response:
    return httpx2.get(f"{url}{path}", auth=(PRINTED["STYTCH_PROJECT_ID"], PRINTED["STYTCH_SECRET"]))


async def test_a_seeded_file_is_served(tmp_path: Path) -> None:
    file = str(tmp_path / "apps.sqlite3")
    printed = ids(seed("--db", file, "--kind", "b2b"))
    with sandbox("--db", file, "--kind", "b2b") as (url, _):
        apps = read(url, ACME_APPS).json()["connected_apps"]
    assert [app["connected_app_id"] for app in apps] == printed["client_ids"][:2]


def test_seeding_a_file_again_prints_the_same_ids(tmp_path: Path) -> None:
    file = str(tmp_path / "apps.sqlite3")
    first = ids(seed("--db", file))
    assert len(first["user_ids"]) == 2
    assert ids(seed("--db", file)) == first


def test_a_running_sandbox_gets_the_example_of_its_kind() -> None:
    with sandbox("--kind", "b2b") as (url, _):
        printed = ids(seed("--url", url))
        assert read(url, ACME_APPS).status_code == 200
    assert (len(printed["organization_ids"]), printed["user_ids"]) == (2, [])


def test_a_sandbox_is_a_consumer_project_by_default() -> None:
    with sandbox() as (url, _):
        ids(seed("--url", url))
        assert read(url, "/v1/users/ada/connected_apps").status_code == 200
        assert read(url, ACME_APPS).json()["error_type"] == "invalid_b2b_endpoint"


@pytest.mark.parametrize("stdin", [True, False])
def test_a_seed_can_be_a_file_or_standard_input(tmp_path: Path, stdin: bool) -> None:
    plan = {"users": [{"user_id": "user-test-1", "external_id": "ada"}]}
    (tmp_path / "seed.json").write_text(json.dumps(plan))
    source = "-" if stdin else str(tmp_path / "seed.json")
    printed = ids(seed("--db", str(tmp_path / "apps.sqlite3"), "--from", source, plan=plan))
    assert (printed["user_ids"], printed["client_ids"]) == (["user-test-1"], [])


def test_generated_apps_can_be_added_alone_or_with_a_file(tmp_path: Path) -> None:
    file = str(tmp_path / "apps.sqlite3")
    alone = ids(seed("--db", file, "--apps", "1000"))
    assert (alone["generated_apps"], alone["client_ids"]) == (1000, [])
    beside = ids(seed("--db", file, "--apps", "5", "--from", "-", plan={"users": [{}]}))
    assert (beside["generated_apps"], len(beside["user_ids"])) == (5, 1)


def test_a_seed_belongs_to_the_project_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "apps.sqlite3")
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)
    done = seed("--db", file)
    assert REAL["STYTCH_SECRET"] not in done.output
    assert ids(done)["grants"] == 3
    ours = create_sandbox(database=file)
    assert ours.state.project.apps.page(0, 1).total == 0


@pytest.mark.parametrize("target", ["--db", "--url"])
def test_an_invalid_seed_is_refused_with_the_name_of_the_field(tmp_path: Path, target: str) -> None:
    plan = {"users": [{"grants": [{"client_id": "connected-app-test-1"}]}]}
    with serving(create_sandbox()) as url:
        place = url if target == "--url" else str(tmp_path / "apps.sqlite3")
        refused = seed(target, place, "--from", "-", plan=plan)
    assert refused.exit_code == 2
    assert "users.0.grants.0.client_id: no app of the seed or of the project" in refused.stderr
    assert "connected-app-test-1" not in refused.stderr


def test_a_misspelt_field_of_a_seed_is_reported(tmp_path: Path) -> None:
    refused = seed("--db", str(tmp_path / "apps.sqlite3"), "--from", "-", plan={"usres": []})
    assert refused.exit_code == 2
    assert "--from: usres: Extra inputs are not permitted" in refused.stderr


def test_a_damaged_file_cannot_be_seeded(tmp_path: Path) -> None:
    file = tmp_path / "apps.sqlite3"
    file.write_text("not a database, but long enough to look like one" * 50)
    refused = seed("--db", str(file))
    assert refused.exit_code == 2
    assert "--db: the file cannot be used as a database" in refused.stderr


async def test_another_server_than_a_sandbox_cannot_be_seeded() -> None:
    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await JSONResponse(["something else"])(scope, receive, send)

    with serving(other) as url:
        refused = seed("--url", url)
    assert refused.exit_code == 2
    assert "the server there is not a sandbox" in refused.stderr


@pytest.mark.parametrize(
    ("kind", "error_type"),
    [
        (None, "invalid_b2b_endpoint"),
        ("consumer", "invalid_b2b_endpoint"),
        ("b2b", "organization_not_found"),
    ],
)
async def test_the_embedded_sandbox_has_the_kind_of_the_setting(
    kind: str | None, error_type: str
) -> None:
    async with (
        open_project(loading.load(sandbox=True, sandbox_kind=kind)) as project,
        httpx2.AsyncClient(transport=project.api._transport) as client,
    ):
        response = await client.get(
            f"http://localhost{ACME_APPS}",
            auth=(SANDBOX_CREDENTIALS.project_id, SANDBOX_CREDENTIALS.secret),
        )
    assert response.json()["error_type"] == error_type
