"""A limit of calls holds for all servers together."""

import socket
from collections.abc import Iterator
from datetime import timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from support import answer, offering, refusal

from connected_apps_mcp.audit import AuditLog
from connected_apps_mcp.protocol.access import rate_limits, shared_rates
from connected_apps_mcp.protocol.access.authorization import Authorization
from connected_apps_mcp.protocol.access.rate_limits import MIN_BURST, Rate, RateLimits
from connected_apps_mcp.protocol.access.shared_rates import SharedRate
from connected_apps_mcp.protocol.server import build_server
from connected_apps_tools import ToolContext
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.database import Database

PASS = "UPDATE connected_apps_mcp.rates SET full_at = full_at - %s"
"""Lets time pass, as the database sees it."""

AWAY = "postgresql://127.0.0.1:1/none"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as database:
        yield database


def rates(database: Database, per_minute: int = 60, count: int = 2) -> list[SharedRate]:
    """The rate, as each of some servers has it."""
    return [SharedRate(Rate(per_minute), database, "changes") for _ in range(count)]


async def allowed(servers: list[SharedRate], caller: str, calls: int) -> int:
    """How many calls of a caller are allowed, by turns at all servers."""
    refused = [await servers[n % len(servers)].count(caller) for n in range(calls)]
    return refused.count(0)


async def test_servers_allow_one_burst_together(database: Database) -> None:
    assert await allowed(rates(database, 6), "a", 3 * MIN_BURST) == MIN_BURST


async def test_calls_at_once_allow_one_burst_together(database: Database) -> None:
    servers, seconds = rates(database, 6, count=4), list[int]()

    async def call(server: SharedRate) -> None:
        seconds.append(await server.count("a"))

    async with anyio.create_task_group() as calls:
        for number in range(4 * MIN_BURST):
            calls.start_soon(call, servers[number % 4])
    assert seconds.count(0) == MIN_BURST


async def test_a_refusal_names_the_seconds_after_which_there_is_room(database: Database) -> None:
    servers = rates(database, 6, count=3)
    await allowed(servers, "a", MIN_BURST)
    seconds = await servers[0].count("a")
    assert 0 < seconds <= 10
    with database.connection() as connection:
        connection.execute(PASS, [timedelta(seconds=seconds)])
    assert [await server.count("a") > 0 for server in servers] == [False, True, True]


async def test_callers_and_kinds_of_calls_are_counted_apart(database: Database) -> None:
    servers = rates(database, 6)
    await allowed(servers, "a", 2 * MIN_BURST)
    assert await servers[0].count("b") == 0
    assert await SharedRate(Rate(6), database, "reads").count("a") == 0


async def test_0_calls_a_minute_mean_that_there_is_no_limit() -> None:
    with Database(AWAY) as away:
        assert await allowed(rates(away, 0), "a", 100) == 100


@given(identity=st.text(max_size=300))
def test_any_name_of_a_caller_has_a_digest(identity: str) -> None:
    assert len(shared_rates.digest(identity)) == 64


async def test_callers_are_forgotten_when_all_their_room_is_free(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rates, "CLEAN_NS", 0)
    await allowed(rates(database), "old", 2)
    with database.connection() as connection:
        connection.execute(PASS, [timedelta(hours=1)])
    await allowed(rates(database), "new", 2)
    with database.connection() as connection:
        kept = connection.execute("SELECT caller FROM connected_apps_mcp.rates").fetchall()
    assert kept == [(shared_rates.digest("new"),)]


async def test_the_name_of_a_caller_is_not_in_the_database(database: Database) -> None:
    await allowed(rates(database), "somebody", 1)
    with database.connection() as connection:
        assert "somebody" not in str(
            connection.execute("SELECT * FROM connected_apps_mcp.rates").fetchall()
        )


async def test_without_the_database_a_call_is_not_counted_for_all() -> None:
    with Database(AWAY) as away:
        (rate,) = rates(away, count=1)
        for _ in range(MIN_BURST):
            with pytest.raises(StoreError, match="The database cannot be used"):
                await rate.count("a")
        assert await rate.count("a") > 0  # the limit of this server alone


async def test_without_the_database_reads_go_on_and_changes_are_refused(
    project: ToolContext, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "REFUSAL_SECONDS", 0)
    offer = offering()
    refuse = Authorization(offer.on, log, project.api.project_id).refuse
    with Database(AWAY) as away:
        reads, changes = (SharedRate(Rate(60), away, name) for name in ("reads", "changes"))
        limits = RateLimits(offer.on, refuse, reads=reads, changes=changes)
        server = build_server(project, offer, audit=log, checks=[limits])
        async with Client(server) as client:
            answer(await client.call_tool("search_apps", {}))
            new = {"client_type": "first_party"}
            refused = str(refusal(await client.call_tool("create_app", new)))
    assert "NotCounted" in refused
    assert "Nothing was sent" in refused


async def test_after_the_database_is_back_calls_are_counted_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rates, "AWAY_NS", 0)
    with Database(AWAY) as away:
        rate = SharedRate(Rate(60), away, "changes")
        with pytest.raises(StoreError):
            await rate.count("a")
        rate._database = database
        assert await rate.count("a") == 0


async def test_a_call_does_not_wait_long_for_a_database_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_rates, "COUNT_SECONDS", 0.01)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Database(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/none") as hanging,
    ):
        (server,) = rates(hanging, count=1)
        with pytest.raises(StoreError, match="did not answer in time"):
            await server.count("a")
