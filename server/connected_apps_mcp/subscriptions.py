"""Who is to hear when this server changes an app, in both protocol eras.

A client of the handshake era subscribes to resources one by one, for as long as its connection
lasts. A current client keeps a `subscriptions/listen` request open, which the SDK serves.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp import MCPError, types
from mcp.server import Server
from mcp.server.connection import Connection
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    SubscriptionBus,
)

from connected_apps_tools.models import Touched

from .boundary import AnyContext
from .resources import app_at, uri_of

MOST = 100
"""Resources that one connection, or one `subscriptions/listen`, may watch."""

MOST_STREAMS = 1000
"""Open `subscriptions/listen` requests of all clients together."""

TASKS = "tasks"
WATCH = "connected_apps_mcp.watch"


@asynccontextmanager
async def lifespan(_server: Server[Any]) -> AsyncIterator[Mapping[str, Any]]:
    """The time in which a server may notify clients."""
    async with anyio.create_task_group() as tasks:
        yield {TASKS: tasks}
        tasks.cancel_scope.cancel()


class Subscriptions:
    """The subscriptions to the apps of a server that has `lifespan`."""

    def __init__(self, bus: SubscriptionBus | None = None) -> None:
        self._bus = bus or InMemorySubscriptionBus()
        self._serve_stream = ListenHandler(self._bus, max_subscriptions=MOST_STREAMS)

    def add_to(self, server: Server[Any]) -> None:
        """Let the clients of a server subscribe."""
        add = server.add_request_handler
        add("resources/subscribe", types.SubscribeRequestParams, self._subscribe)
        add("resources/unsubscribe", types.UnsubscribeRequestParams, self._unsubscribe)
        add("subscriptions/listen", types.SubscriptionsListenRequestParams, self._listen)

    async def publish(self, touched: Touched) -> None:
        """Tell whoever watches what has changed. Waits for nobody."""
        if touched.client_id:
            await self._bus.publish(ResourceUpdated(uri_of(touched.client_id)))
        if touched.relists:
            await self._bus.publish(ResourcesListChanged())

    async def _subscribe(
        self, context: AnyContext, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        watch = self._watch_of(context)
        _require_watchable([params.uri, *watch.uris.difference([params.uri])])
        watch.uris.add(params.uri)
        return types.EmptyResult()

    async def _unsubscribe(
        self, context: AnyContext, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        app_at(params.uri)
        self._watch_of(context).uris.discard(params.uri)
        return types.EmptyResult()

    async def _listen(
        self, context: AnyContext, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        _require_watchable(params.notifications.resource_subscriptions or [])
        return await self._serve_stream(context, params)

    def _watch_of(self, context: AnyContext) -> "_Watch":
        # The SDK offers handlers no public way to what lasts as long as their connection.
        connection = context.session._connection
        watch: _Watch | None = connection.state.get(WATCH)
        if watch is None:
            watch = connection.state[WATCH] = _Watch()
            connection.exit_stack.callback(watch.ended.cancel)
            connection.exit_stack.callback(self._bus.subscribe(watch.hear))
            tasks: TaskGroup = context.lifespan_context[TASKS]
            tasks.start_soon(watch.tell, connection)
        return watch


class _Watch:
    """What a connection of the handshake era watches.

    Its client is told in a task of its own, so that one that stops reading holds nobody up; what it
    is still to be told is never more than what it watches.
    """

    def __init__(self) -> None:
        self.uris: set[str] = set()
        self.ended = anyio.CancelScope()
        self._changed: set[str] = set()
        self._news = anyio.Event()

    def hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self.uris:
            self._changed.add(event.uri)
            self._news.set()

    async def tell(self, connection: Connection) -> None:
        with self.ended:
            while True:
                await self._news.wait()
                self._news = anyio.Event()
                while self._changed:
                    await connection.send_resource_updated(self._changed.pop())


def _require_watchable(uris: list[str]) -> None:
    """Refuse to watch what is no app, or too much.

    Raises:
        MCPError: it is.
    """
    for uri in uris:
        app_at(uri)
    if len(uris) > MOST:
        raise MCPError(
            code=types.INVALID_PARAMS,
            message=f"No more than {MOST} apps can be watched at once. Unsubscribe from one first.",
        )
