"""Brings changes that one server makes to the subscribers of all servers, through the database.

A server that does not listen at the moment of a change does not hear of it later.
"""

import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing

import anyio
from anyio.abc import TaskGroup
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    SubscriptionBus,
)

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.connection import Connection
from connected_apps_tools.storage.postgres.database import Database
from connected_apps_tools.storage.postgres.notifications import listen, received
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.storage.waiting import close_unused

logger = logging.getLogger(__name__)

CHANNEL = "connected_apps_mcp_events"

RECONNECT_SECONDS = 1.0
"""Pause before the next attempt to listen."""

MAX_BYTES = 7_999
"""What PostgreSQL takes as one notification."""


@asynccontextmanager
async def shared_events(database: Database) -> AsyncIterator[SubscriptionBus]:
    """Listen to the other servers meanwhile. On exit, wait until they know of all events."""
    async with anyio.create_task_group() as telling, anyio.create_task_group() as listening:
        bus = SharedBus(database, telling)
        listening.start_soon(bus.listen)
        yield bus
        listening.cancel_scope.cancel()


class SharedBus:
    """A bus of events for all servers that use a database.

    The subscribers of this server hear of its changes without the database.
    """

    def __init__(self, database: Database, tasks: TaskGroup) -> None:
        """Reach the other servers in tasks of their own, so that no caller waits for that."""
        self._database = database
        self._tasks = tasks
        self._here = InMemorySubscriptionBus()
        self._id = secrets.token_hex(8)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """As the SDK describes it."""
        return self._here.subscribe(listener)

    async def publish(self, event: ServerEvent) -> None:
        """Deliver an event."""
        await self._here.publish(event)
        self._tasks.start_soon(self._tell_others, event)

    async def _tell_others(self, event: ServerEvent) -> None:
        """Notify the other servers. The change is made, so a failure is only logged."""
        try:
            await in_thread(self._notify, _written(event) | {"from": self._id})
        except StoreError as error:
            logger.warning("Other servers do not hear of a change. %s", error)

    def _notify(self, message: Mapping[str, str]) -> None:
        text = json.dumps(message)
        if len(text) > MAX_BYTES:
            raise StoreError("It is too long for a notification.")
        with self._database.connection() as connection:
            connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, text])

    async def listen(self) -> None:
        """Deliver the events of other servers, and connect again after each failure."""
        is_heard = True
        while True:
            try:
                opening = in_thread(self._database.own_connection, on_abandoned=close_unused)
                with closing(await opening) as connection:
                    await in_thread(listen, connection, CHANNEL)
                    is_heard = True
                    await self._deliver_from(connection)
            except StoreError as error:
                if is_heard:  # one warning for each outage
                    logger.warning("Changes of other servers are not heard for now. %s", error)
                is_heard = False
            await anyio.sleep(RECONNECT_SECONDS)

    async def _deliver_from(self, connection: Connection) -> None:
        """Deliver events until the connection is lost. The event loop waits, and no thread."""
        while True:
            for text in received(connection):
                event = self._event_in(text)
                if event is not None:
                    await self._here.publish(event)
            await anyio.wait_readable(connection.fileno())

    def _event_in(self, text: bytes) -> ServerEvent | None:
        """The event of another server. All users of the database can write such a text."""
        try:
            message = json.loads(text)
            return None if message["from"] == self._id else _read(message)
        except (ValueError, TypeError, LookupError, RecursionError):
            logger.warning("A notification in the database is not of this program.")
            return None


def _written(event: ServerEvent) -> dict[str, str]:
    if isinstance(event, ResourceUpdated):
        return {"updated": event.uri}
    return {"changed": "list"}


def _read(message: Mapping[str, str]) -> ServerEvent:
    uri = message.get("updated")
    return ResourcesListChanged() if uri is None else ResourceUpdated(str(uri))
