"""Notifies clients when this server changes an app, in both protocol eras.

A client of the handshake era subscribes to single resources until its connection ends. A current
client holds a `subscriptions/listen` request open, which the SDK serves.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
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
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from connected_apps_mcp.egress import AnyContext
from connected_apps_mcp.limits import MAX_LISTEN_STREAMS, MAX_WATCHED, MAX_WATCHED_TOTAL
from connected_apps_mcp.protocol.access.rights import RightsOfCallers
from connected_apps_mcp.protocol.error_results import protocol_error
from connected_apps_tools.api.app_names import NamesById
from connected_apps_tools.api.models import Touched
from connected_apps_tools.errors import ConnectedAppsError

from .apps import app_at, no_such_resource, readable_project, uri_of

TASKS = "tasks"
WATCH = "connected_apps_mcp.watch"


@asynccontextmanager
async def lifespan(_server: Server[Any]) -> AsyncIterator[Mapping[str, Any]]:
    """Run the tasks that notify clients while a server runs."""
    async with anyio.create_task_group() as tasks:
        yield {TASKS: tasks}
        tasks.cancel_scope.cancel()


class Subscriptions:
    """Subscriptions to the apps of a server with `lifespan`."""

    def __init__(self, rights: RightsOfCallers, bus: SubscriptionBus | None = None) -> None:
        self._rights = rights
        self._project = rights.everybody.project
        self._bus = bus or InMemorySubscriptionBus()
        self._watched = 0
        """Apps watched by connections of the handshake era; an app counts once per connection."""
        self._serve_stream = ListenHandler(self._bus, max_subscriptions=MAX_LISTEN_STREAMS)

    def add_to(self, server: Server[Any]) -> None:
        """Let the clients of a server subscribe."""
        add = server.add_request_handler
        add("resources/subscribe", types.SubscribeRequestParams, self._subscribe)
        add("resources/unsubscribe", types.UnsubscribeRequestParams, self._unsubscribe)
        add("subscriptions/listen", types.SubscriptionsListenRequestParams, self._listen)

    async def publish(self, touched: Touched) -> None:
        """Notify subscribers of a change, without waiting for them."""
        if touched.client_id:
            await self._bus.publish(ResourceUpdated(uri_of(touched.client_id)))
        if touched.relists:
            await self._bus.publish(ResourcesListChanged())

    def watch_list(self, context: AnyContext) -> None:
        """Notify a client of the handshake era that read the list of apps when the list changes."""
        if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            self._watch_of(context).list = True

    async def _subscribe(
        self, context: AnyContext, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        await self._require_apps([params.uri])
        watch = self._watch_of(context)
        if params.uri not in watch.uris:
            _require_at_most(len(watch.uris) + 1, MAX_WATCHED)
            _require_at_most(self._watched + 1, MAX_WATCHED_TOTAL)
            watch.uris.add(params.uri)
            self._watched += 1
        return types.EmptyResult()

    async def _unsubscribe(
        self, context: AnyContext, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        app_at(params.uri)
        watch = self._watch_of(context)
        self._watched -= params.uri in watch.uris
        watch.uris.discard(params.uri)
        return types.EmptyResult()

    async def _listen(
        self, context: AnyContext, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        uris = params.notifications.resource_subscriptions or []
        _require_at_most(len(uris), MAX_WATCHED)
        await self._require_apps(uris)
        return await self._serve_stream(context, params)

    async def _require_apps(self, uris: Sequence[str]) -> None:
        """Refuse URIs without an app, and a caller who may not read apps.

        Raises:
            MCPError: the caller may not, a URI is not the URI of an app, the app does not exist,
                or the apps cannot be read.
        """
        readable_project(self._rights)
        wanted = {app_at(uri).client_id: uri for uri in uris}
        if not wanted:
            return
        names = NamesById({}, complete=False)
        with suppress(ConnectedAppsError):  # then look for each app by itself
            names = await self._project.app_names.names()
        try:
            for client_id in wanted.keys() - names.by_id.keys():
                if names.complete or await self._project.api.find(client_id) is None:
                    raise no_such_resource(wanted[client_id])
        except ConnectedAppsError as error:
            raise protocol_error(error, self._project.server) from None

    def _watch_of(self, context: AnyContext) -> "_Watch":
        # The SDK has no public state that lasts as long as a connection.
        connection = context.session._connection
        watch: _Watch | None = connection.state.get(WATCH)
        if watch is None:
            watch = connection.state[WATCH] = _Watch()
            connection.exit_stack.callback(watch.ended.cancel)
            connection.exit_stack.callback(self._forget, watch)
            connection.exit_stack.callback(self._bus.subscribe(watch.publish))
            tasks: TaskGroup = context.lifespan_context[TASKS]
            tasks.start_soon(watch.notify, connection)
        return watch

    def _forget(self, watch: "_Watch") -> None:
        self._watched -= len(watch.uris)
        watch.uris.clear()


class _Watch:
    """What a connection of the handshake era watches.

    Its own task notifies the client, so that a client that stops reading delays nobody. Pending
    notifications are bounded by what it watches.
    """

    def __init__(self) -> None:
        self.uris: set[str] = set()
        self.list = False
        """Whether it watches the list of apps too."""
        self._list_changed = False
        self.ended = anyio.CancelScope()
        self._changed: set[str] = set()
        self._pending = anyio.Event()

    def publish(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self.uris:
            self._changed.add(event.uri)
            self._pending.set()
        elif isinstance(event, ResourcesListChanged) and self.list:
            self._list_changed = True
            self._pending.set()

    async def notify(self, connection: Connection) -> None:
        with self.ended:
            while True:
                await self._pending.wait()
                self._pending = anyio.Event()
                if self._list_changed:
                    self._list_changed = False
                    await connection.send_resource_list_changed()
                while self._changed:
                    await connection.send_resource_updated(self._changed.pop())


def _require_at_most(watched: int, most: int) -> None:
    """Refuse to watch too many apps.

    Raises:
        MCPError: more than `most` apps are watched.
    """
    if watched > most:
        raise MCPError(
            code=types.INVALID_PARAMS,
            message=f"At most {most} apps can be watched at once. Unsubscribe from one first.",
        )
