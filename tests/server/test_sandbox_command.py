"""`sandbox serve`, as a user of the official SDK or of this server meets it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from support import REAL, SERVER, answer, running

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS

PRINTED = {
    "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
    "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
}


@contextmanager
def sandbox(*arguments: str, lines: int = 3, **environment: str) -> Iterator[tuple[str, list[str]]]:
    """A sandbox on a free port: its URL, and the lines it printed."""
    with running("sandbox", "serve", "--port", "0", *arguments, **environment) as process:
        assert process.stdout
        printed = [process.stdout.readline().strip() for _ in range(lines)]
        yield printed[-1].split()[-1], printed
    assert process.returncode == 0


async def names(url: str, credentials: dict[str, str]) -> list[str]:
    """The names of the apps that a server of ours sees at a URL."""
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


async def test_it_prints_credentials_that_it_accepts() -> None:
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


async def test_a_file_keeps_the_apps_and_is_shared_with_a_server(tmp_path: Path) -> None:
    file = str(tmp_path / "apps.sqlite3")
    with sandbox("--db", file) as (url, _):
        create(url, PRINTED, "Kept").raise_for_status()
        parameters = StdioServerParameters(
            command=SERVER[0], args=[*SERVER[1:], "--sandbox", "--sandbox-db", file]
        )
        async with Client(parameters) as client:
            found = answer(await client.call_tool("search_apps", {}))
    assert [app["client_name"] for app in found["apps"]] == ["Kept"]


@pytest.mark.parametrize(("calls", "statuses"), [(1, [200, 429]), (2, [200, 200])])
def test_a_rate_limit_can_be_asked_for(calls: int, statuses: list[int]) -> None:
    with sandbox("--rate-limit", f"{calls}/3600") as (url, _):
        answered = [create(url, PRINTED, "App").status_code for _ in statuses]
    assert answered == statuses
