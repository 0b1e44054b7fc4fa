"""What a call costs: the round trips to the database for which a caller waits."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from mcp import Client
from postgres import PostgresServer
from support import answer, offering

from connected_apps_mcp.commands.serve.shared import shared_by_servers
from connected_apps_mcp.protocol.rate_limits import RateLimits
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.credentials import DATABASE_URL
from connected_apps_mcp.wiring import open_audit, open_project

from .round_trips import RoundTrips, counted

KINDS = {
    "heartbeat": "forgotten AS",
    "limit": "connected_apps_mcp.rates",
    "lock": "pg_try_advisory_lock",
    "look at the locks": "pg_locks",
    "audit log": "connected_apps_mcp.audit_",
    "record": "connected_apps_mcp.records",
}
"""What a round trip is for, by words in its statements. The first that fits counts."""

UNNOTICED = {"", "heartbeat"}
"""What no caller waits for. A connection is opened, and a statement is prepared, only once."""

READ = {"limit": 1}
CHANGE = {"limit": 1, "lock": 1, "look at the locks": 1, "audit log": 4}
COSTS: Mapping[str, Mapping[str, int]] = {
    "get_app": READ,
    "update_app (dry run)": READ,
    "update_app": CHANGE,
    "delete_app": CHANGE | {"record": 1},
    "create_app": {"limit": 1, "audit log": 4, "record": 2},
    "start_secret_rotation": CHANGE | {"lock": 2, "record": 2},
    "complete_secret_rotation": CHANGE | {"lock": 2, "record": 2},
}


async def refuse(*_: object) -> None:
    """Record no refusal."""


@pytest.fixture
def trips(
    postgres: PostgresServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RoundTrips]:
    """The round trips to the database that the environment names."""
    with counted(postgres) as (port, trips):
        url = database_url.replace(f":{postgres.port}/", f":{port}/")
        monkeypatch.setenv(DATABASE_URL, f"{url}?sslmode=disable&gssencmode=disable")
        yield trips


@pytest.fixture
async def client(trips: RoundTrips, tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a server with a database."""
    key = tmp_path / "key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    settings = loading.load(
        sandbox=True,
        data_dir=tmp_path,
        shared_data_dir=True,
        secret_store="file",
        audit_key_file=key,
    )
    async with (
        open_project(settings) as project,
        open_audit(settings, project.state) as audit,
        shared_by_servers(settings, project) as shared,
    ):
        limits = RateLimits(offering().on, refuse, reads=shared.reads, changes=shared.changes)
        server = build_server(
            project, offering(), audit=audit, bus=shared.bus, confirm="never", checks=[limits]
        )
        async with Client(server) as client:
            trips.clear()
            yield client


def waited_for(trips: RoundTrips) -> Mapping[str, int]:
    """The round trips for which a caller has waited, by what they are for."""
    kinds = (next((kind for kind in KINDS if KINDS[kind] in text), "") for text in trips.texts)
    return Counter(kind for kind in kinds if kind not in UNNOTICED)


async def test_each_tool_makes_as_many_round_trips_as_the_documents_say(
    client: Client, trips: RoundTrips
) -> None:
    made = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
    app = {"client_id": made["app"]["client_id"]}
    costs = {"create_app": waited_for(trips)}
    for tool, more in (
        ("get_app", {}),
        ("update_app", {"client_name": "Mine", "dry_run": True}),
        ("update_app", {"client_name": "Mine"}),
        ("start_secret_rotation", {}),
        ("complete_secret_rotation", {}),
        ("delete_app", {}),
    ):
        trips.clear()
        answer(await client.call_tool(tool, {**app, **more}))
        costs[f"{tool} (dry run)" if "dry_run" in more else tool] = waited_for(trips)
    assert costs == COSTS
