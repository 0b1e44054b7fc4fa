"""What a call costs: the round trips to the database that a caller waits for."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import ElicitResult
from postgres import PostgresServer
from support import answer, offering

from connected_apps_mcp.audit.table import Table
from connected_apps_mcp.commands.serve.shared import shared_by_servers
from connected_apps_mcp.confirmation.state_keys import open_security
from connected_apps_mcp.protocol.access.rate_limits import RateLimits
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.credentials import DATABASE_URL
from connected_apps_mcp.wiring import open_audit, open_project
from connected_apps_tools.storage.postgres.database import Database

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

MINE = {"client_type": "first_party"}

READ = {"limit": 1}
CHANGE = {"limit": 1, "lock": 1, "look at the locks": 1, "audit log": 2}
COSTS: Mapping[str, Mapping[str, int]] = {
    "get_app": READ,
    "update_app (dry run)": READ,
    "update_app": CHANGE,
    "delete_app": CHANGE | {"record": 1},
    "create_app": {"limit": 1, "audit log": 2, "record": 2},
    "start_secret_rotation": CHANGE | {"lock": 2, "record": 2},
    "cancel_secret_rotation": CHANGE | {"lock": 2},
    "complete_secret_rotation": CHANGE | {"lock": 2, "record": 2},
}


CALLS: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("get_app", {}),
    ("update_app", {"client_name": "Mine", "dry_run": True}),
    ("update_app", {"client_name": "Mine"}),
    ("start_secret_rotation", {}),
    ("cancel_secret_rotation", {}),
    ("start_secret_rotation", {}),
    ("complete_secret_rotation", {}),
    ("delete_app", {}),
]
"""Calls on an app, in an order that works."""


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


@asynccontextmanager
async def connected(folder: Path, key: Path, **options: Any) -> AsyncIterator[Client]:
    """A client of a server with a database, which has made a call before."""
    settings = loading.load(
        sandbox=True,
        data_dir=folder,
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
        security = open_security(None, project.state)
        server = build_server(
            *(project, offering()),
            audit=audit,
            bus=shared.bus,
            checks=[limits],
            security=security,
            **options,
        )
        async with Client(server, elicitation_callback=say_yes) as client:
            answer(await client.call_tool("create_app", MINE))
            yield client


async def say_yes(context: Any, params: Any) -> ElicitResult:  # noqa: ARG001 - the SDK names them
    return ElicitResult(action="accept", content={"confirm": True})


@pytest.fixture
async def client(trips: RoundTrips, key: Path, tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a server that asks no person."""
    async with connected(tmp_path, key, confirm="never") as client:
        trips.clear()
        yield client


def waited_for(trips: RoundTrips) -> Mapping[str, int]:
    """The round trips that a caller has waited for, by their purpose."""
    kinds = (next((kind for kind in KINDS if KINDS[kind] in text), "") for text in trips.texts)
    return Counter(kind for kind in kinds if kind not in UNNOTICED)


async def test_each_tool_makes_as_many_round_trips_as_the_documents_say(
    client: Client, trips: RoundTrips
) -> None:
    made = answer(await client.call_tool("create_app", MINE))
    app = {"client_id": made["app"]["client_id"]}
    costs = {"create_app": waited_for(trips)}
    for tool, more in CALLS:
        trips.clear()
        answer(await client.call_tool(tool, {**app, **more}))
        costs[f"{tool} (dry run)" if "dry_run" in more else tool] = waited_for(trips)
    assert costs == COSTS


async def test_a_line_after_one_of_another_server_takes_two_more_round_trips(
    client: Client, trips: RoundTrips, key: Path, database_url: str
) -> None:
    with Database(database_url) as database:
        Table(database, key, max_bytes=1_000_000).append({"event": "refusals"})
    answer(await client.call_tool("create_app", MINE))
    assert waited_for(trips)["audit log"] == 2 + 2


async def test_an_answer_of_a_person_takes_two_more_and_the_lock_again(
    trips: RoundTrips, key: Path, tmp_path: Path
) -> None:
    async with connected(tmp_path, key, confirm="always") as client:
        made = answer(await client.call_tool("create_app", MINE))
        trips.clear()
        answer(await client.call_tool("delete_app", {"client_id": made["app"]["client_id"]}))
        costs = waited_for(trips)
    assert costs == {**CHANGE, "limit": 2, "lock": 2, "record": 1 + 2}
