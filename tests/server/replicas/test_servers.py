"""Whole servers, as processes, with one database."""

import json
import os
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters
from support import SERVER, answer

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.settings.credentials import DATABASE_URL

SERVERS = 2


@pytest.fixture
def parameters(database_url: str, key: Path, tmp_path: Path) -> StdioServerParameters:
    """How to start a server that shares its apps, too."""
    flags = ("--sandbox-db", str(tmp_path / "apps"), "--secret-store", "none")
    command = [*SERVER, "--sandbox", *flags, "--audit-key-file", str(key), "--confirm", "never"]
    environment = os.environ | {DATABASE_URL: database_url}
    return StdioServerParameters(command=command[0], args=command[1:], env=environment)


async def test_servers_record_in_one_log_and_hear_of_each_other(
    parameters: StdioServerParameters, database_url: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as connected:
        one, other = [
            await connected.enter_async_context(Client(parameters)) for _ in range(SERVERS)
        ]
        made = {"client_type": "first_party_public", "client_name": "Mine"}
        app = answer(await one.call_tool("create_app", made))["app"]["client_id"]
        async with other.listen(resource_subscriptions=[f"connected-app://{app}"]) as heard:
            change = {"client_id": app, "client_name": "Renamed"}
            with anyio.fail_after(100):
                answer(await one.call_tool("update_app", change))
                await anext(aiter(heard))
        answer(await other.call_tool("delete_app", {"client_id": app}))
    shown = CliRunner().invoke(main, ["audit", "export"], env={DATABASE_URL: database_url})
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [line["tool"] for line in lines if line["event"] == "intent"] == [
        "create_app",
        "update_app",
        "delete_app",
    ]
    key = ("--audit-key-file", str(tmp_path / "key"))
    verified = CliRunner().invoke(main, ["audit", "verify", *key], env={DATABASE_URL: database_url})
    assert verified.exit_code == 0
