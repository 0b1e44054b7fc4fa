"""Subscribers of any server hear of changes that another one makes."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx2
import psycopg
import pytest
from mcp import Client
from mcp.server.subscriptions import (
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    SubscriptionBus,
)
from postgres import PostgresServer
from support import answer, comes_true, project_on

from connected_apps_mcp.protocol.resources import shared_events as events
from connected_apps_mcp.protocol.resources.shared_events import CHANNEL, SharedBus, shared_events
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools.storage.postgres.database import Database
from connected_apps_tools.storage.threads import in_thread

CHANGE = ResourceUpdated("connected-app://connected-app-test-1")
LISTENERS = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = '{}' AND query LIKE 'LISTEN%' AND state = 'idle'"
)


class Heard:
    """What a subscriber hears."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self.events: list[ServerEvent] = []
        self._any = anyio.Event()
        bus.subscribe(self._hear)

    def _hear(self, event: ServerEvent) -> None:
        self.events.append(event)
        self._any.set()

    async def next(self) -> ServerEvent:
        with anyio.fail_after(100):
            await self._any.wait()
        self._any = anyio.Event()
        return self.events[-1]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as database:
        yield database


async def listening(database: Database, count: int) -> None:
    """Wait until so many servers listen."""
    query = LISTENERS.format(database_name(database)).encode()
    with database.connection() as connection:
        assert await in_thread(comes_true, lambda: connection.execute(query).fetchone() == (count,))


def database_name(database: Database) -> str:
    with database.connection() as connection:
        return connection.info.dbname


@pytest.fixture
async def buses(database: Database) -> AsyncIterator[list[SubscriptionBus]]:
    """The buses of two servers."""
    async with shared_events(database) as one, shared_events(database) as other:
        await listening(database, 2)
        yield [one, other]


@pytest.mark.parametrize("event", [CHANGE, ResourcesListChanged()], ids=["app", "list"])
async def test_a_subscriber_hears_what_another_server_publishes(
    buses: list[SubscriptionBus], event: ServerEvent
) -> None:
    there = Heard(buses[1])
    await buses[0].publish(event)
    assert await there.next() == event


async def test_a_subscriber_hears_an_event_of_its_own_server_once(
    buses: list[SubscriptionBus],
) -> None:
    here, there = map(Heard, buses)
    await buses[0].publish(CHANGE)
    await there.next()
    await buses[1].publish(ResourcesListChanged())
    while len(here.events) < 2:
        await here.next()
    assert here.events == [CHANGE, ResourcesListChanged()]


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", '"text"', "{}", '{"from": 1, "updated": {}}', "[" * 7_000],
)
async def test_a_notification_of_others_ends_nothing(
    buses: list[SubscriptionBus], database_url: str, text: str
) -> None:
    there = Heard(buses[1])
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, text])
    await buses[0].publish(CHANGE)
    while await there.next() != CHANGE:
        pass


async def test_a_server_listens_again_after_its_connection_was_lost(
    buses: list[SubscriptionBus],
    database: Database,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "RECONNECT_SECONDS", 0.01)
    name = database_name(database)
    end = LISTENERS.format(name).replace("count(*)", "pg_terminate_backend(pid, 5000)")
    assert len(postgres.execute(end)) == 2
    await listening(database, 2)
    there = Heard(buses[1])
    await buses[0].publish(CHANGE)
    assert await there.next() == CHANGE


async def test_without_the_database_subscribers_of_this_server_hear_its_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Database("postgresql://127.0.0.1:1/none") as away, caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as tasks:
            bus = SharedBus(away, tasks)
            here = Heard(bus)
            await bus.publish(CHANGE)
    assert here.events == [CHANGE]
    assert "Other servers do not hear of a change" in caplog.text


async def test_an_event_that_is_too_long_reaches_this_server_only(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with anyio.create_task_group() as tasks:
        bus = SharedBus(database, tasks)
        here = Heard(bus)
        await bus.publish(ResourceUpdated("connected-app://" + "x" * 8_000))
    assert len(here.events) == 1
    assert "too long" in caplog.text


async def test_a_client_of_one_server_hears_of_a_change_made_through_another(
    buses: list[SubscriptionBus], tmp_path: Path
) -> None:
    sandbox = httpx2.ASGITransport(create_sandbox())
    async with AsyncExitStack() as opened:
        clients = []
        for bus in buses:
            project = await opened.enter_async_context(project_on(sandbox, folder=tmp_path))
            server = build_server(project, bus=bus)
            clients.append(await opened.enter_async_context(Client(server)))
        one, other = clients
        made = {"client_type": "first_party", "client_name": "Mine"}
        app = answer(await one.call_tool("create_app", made))["app"]["client_id"]
        uri = f"connected-app://{app}"
        async with other.listen(resource_subscriptions=[uri]) as heard:
            change = {"client_id": app, "client_name": "Renamed"}
            answer(await one.call_tool("update_app", change))
            with anyio.fail_after(100):
                assert await anext(aiter(heard)) is not None
