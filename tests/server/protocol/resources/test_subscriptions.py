"""Notifications of changes, in both protocol eras and over every transport."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.server import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ServerEvent
from mcp.shared.message import SessionMessage
from server.people import example_of, wire_for
from support import ERAS, HELLO, SERVER, SHOWN_APP, answer, listening, project_on, refusal

from connected_apps_mcp.confirmation.confirm import Confirmation
from connected_apps_mcp.limits import MAX_WATCHED
from connected_apps_mcp.protocol.access.rights import Rights, RightsOfCallers
from connected_apps_mcp.protocol.resources import subscriptions
from connected_apps_mcp.protocol.resources.subscriptions import Subscriptions, lifespan
from connected_apps_mcp.protocol.server import EVERYTHING, build_server
from connected_apps_tools import CATALOGUE, Effect, Tool, ToolContext
from connected_apps_tools.api.models import ConnectedApp, CreateApp, PageOfApps

pytestmark = pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")

Hear = Callable[[], Awaitable[str]]
"""Waits for the next update and returns its URI."""

STDIO = StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], "--sandbox"])


def uri_of(client_id: str) -> str:
    return f"connected-app://{client_id}"


async def create(client: Client, **settings: Any) -> str:
    arguments = {"client_type": "first_party", **settings}
    return str(answer(await client.call_tool("create_app", arguments))["app"]["client_id"])


async def rename(client: Client, client_id: str, name: str) -> None:
    arguments = {"client_id": client_id, "client_name": name}
    assert answer(await client.call_tool("update_app", arguments))["changes"]


@asynccontextmanager
async def listening_client(target: Any, era: str) -> AsyncIterator[tuple[Client, Hear]]:
    """A client, and the updates that it gets in the handshake era."""
    send, receive = anyio.create_memory_object_stream[str](1000)

    async def record(message: object) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            await send.send(message.params.uri)

    with send, receive:
        async with Client(target, mode=era, message_handler=record) as client:
            yield client, receive.receive


@asynccontextmanager
async def watching(client: Client, heard: Hear, *client_ids: str) -> AsyncIterator[Hear]:
    """The updates that a client gets of some apps, in the way of its era."""
    uris = [uri_of(client_id) for client_id in client_ids]
    if client.protocol_version < "2026":
        for uri in uris:
            await client.subscribe_resource(uri)
        yield heard
        return
    async with client.listen(resource_subscriptions=uris) as events:

        async def hear() -> str:
            event = await anext(aiter(events))
            assert isinstance(event, ResourceUpdated)
            return event.uri

        yield hear


async def subscribe(client: Client, *uris: str) -> None:
    """Subscribe for a moment, in the way of the client's era."""
    if client.protocol_version < "2026":
        for uri in uris:
            await client.subscribe_resource(uri)
    else:
        async with client.listen(resource_subscriptions=uris):
            pass


CHANGES: dict[str, dict[str, Any]] = {
    "update_app": {"client_name": "New"},
    "start_secret_rotation": {},
    "delete_app": {},
}


@pytest.mark.parametrize("tool", CHANGES)
@pytest.mark.parametrize("era", ERAS)
async def test_a_subscriber_hears_of_every_change(server: Server[Any], era: str, tool: str) -> None:
    async with listening_client(server, era) as (client, heard):
        client_id = await create(client)
        async with watching(client, heard, client_id) as hear:
            answer(await client.call_tool(tool, {"client_id": client_id, **CHANGES[tool]}))
            with anyio.fail_after(10):
                assert await hear() == uri_of(client_id)


async def apps_of(project: ToolContext) -> dict[str, ConnectedApp]:
    """All apps, by id."""
    page = await project.api.search(PageOfApps())
    return {app.client_id: app for app in page.connected_apps}


def titles(apps: dict[str, ConnectedApp]) -> dict[str, tuple[str, str]]:
    """What the list of apps shows of each."""
    return {name: (app.client_name, app.client_description) for name, app in apps.items()}


AT_THE_SERVICE = [
    tool
    for tool in CATALOGUE
    if tool.effect.changes and tool.effect is not Effect.DELIVERS and tool.turn != "apply"
]
"""The tools that change something there themselves. A delivery changes only what is recorded here,
and an apply calls other tools.
"""


@pytest.mark.parametrize("tool", AT_THE_SERVICE, ids=lambda tool: str(tool.name))
async def test_the_result_of_every_tool_names_the_app_that_it_has_changed(
    tool: Tool[Any, Any],
) -> None:
    _, arguments, prepare = example_of(tool.name)
    async with project_on(wire_for(tool.name)) as project:
        await prepare(project)
        before = await apps_of(project)
        touched = (await tool(project, tool.read(arguments))).touched
        after = await apps_of(project)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert ({touched.client_id} if touched else set()) == changed
    assert bool(touched and touched.relists) == (titles(before) != titles(after))


@pytest.mark.parametrize("tool", ["complete_secret_rotation", "cancel_secret_rotation"])
@pytest.mark.parametrize("era", ERAS)
async def test_a_subscriber_hears_of_the_end_of_a_rotation(
    server: Server[Any], era: str, tool: str
) -> None:
    async with listening_client(server, era) as (client, heard):
        client_id = await create(client)
        answer(await client.call_tool("start_secret_rotation", {"client_id": client_id}))
        async with watching(client, heard, client_id) as hear:
            answer(await client.call_tool(tool, {"client_id": client_id}))
            with anyio.fail_after(10):
                assert await hear() == uri_of(client_id)


NO_CHANGE: dict[str, tuple[str, dict[str, Any]]] = {
    "a dry run": ("update_app", {"client_name": "Dry", "dry_run": True}),
    "a dry deletion": ("delete_app", {"dry_run": True}),
    "no difference": ("update_app", {"client_name": "Same"}),
    "a stale condition": ("update_app", {"client_name": "Late", "if_unchanged": "0" * 16}),
    "reading": ("get_app", {}),
}


@pytest.mark.parametrize("case", NO_CHANGE)
@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_changes_nothing_sends_no_update(
    server: Server[Any], era: str, case: str
) -> None:
    tool, arguments = NO_CHANGE[case]
    async with listening_client(server, era) as (client, heard):
        watched, marker = await create(client, client_name="Same"), await create(client)
        async with watching(client, heard, watched, marker) as hear:
            await client.call_tool(tool, {"client_id": watched, **arguments})
            await anyio.sleep(0.02)
            await rename(client, marker, "Now")
            with anyio.fail_after(10):
                assert await hear() == uri_of(marker)


@pytest.mark.parametrize("era", ERAS)
async def test_a_subscriber_hears_of_its_apps_only(server: Server[Any], era: str) -> None:
    async with listening_client(server, era) as (client, heard):
        other, watched = await create(client), await create(client)
        async with watching(client, heard, watched) as hear:
            await rename(client, other, "Other")
            await anyio.sleep(0.02)
            await rename(client, watched, "Watched")
            with anyio.fail_after(10):
                assert await hear() == uri_of(watched)


def loses_responses(request: httpx2.Request) -> httpx2.Response:
    """A service that loses its responses to changes and about the app `lost`."""
    if request.method == "PUT" or request.url.path.endswith("/lost"):
        raise httpx2.ReadTimeout("")
    body = {"status_code": 200, "request_id": "r", "connected_app": SHOWN_APP}
    return httpx2.Response(200, json=body)


@pytest.mark.parametrize("era", ERAS)
async def test_a_change_that_may_have_taken_effect_sends_an_update_and_a_lost_read_does_not(
    era: str,
) -> None:
    async with (
        project_on(httpx2.MockTransport(loses_responses)) as project,
        listening_client(build_server(project), era) as (client, heard),
        watching(client, heard, "app") as hear,
    ):
        refusal(await client.call_tool("get_app", {"client_id": "lost"}))
        await anyio.sleep(0.02)
        lost = await client.call_tool("update_app", {"client_id": "app", "client_name": "x"})
        assert refusal(lost)["may_have_taken_effect"] is True
        with anyio.fail_after(10):
            assert await hear() == uri_of("app")


@pytest.mark.parametrize("era", ERAS)
async def test_a_change_of_a_caller_that_is_gone_sends_an_update(era: str) -> None:
    async def hang(request: httpx2.Request) -> httpx2.Response:
        if request.method == "PUT":
            await anyio.sleep(20)
        body = {"status_code": 200, "request_id": "r", "connected_app": SHOWN_APP}
        return httpx2.Response(200, json=body)

    async with (
        project_on(httpx2.MockTransport(hang)) as project,
        listening_client(build_server(project), era) as (client, heard),
        watching(client, heard, "app") as hear,
    ):
        with anyio.move_on_after(0.2):
            await client.call_tool("update_app", {"client_id": "app", "client_name": "x"})
        with anyio.fail_after(10):
            assert await hear() == uri_of("app")


@pytest.mark.parametrize(
    ("tool", "arguments", "relists"),
    [
        ("create_app", {"client_type": "third_party_public"}, True),
        ("update_app", {"client_name": "New"}, True),
        ("update_app", {"client_description": "New"}, True),
        ("update_app", {"access_token_expiry_minutes": 5}, False),
        ("start_secret_rotation", {}, False),
        ("delete_app", {}, True),
    ],
)
async def test_the_list_changes_if_it_shows_the_change(
    server: Server[Any], tool: str, arguments: dict[str, Any], relists: bool
) -> None:
    async with Client(server) as client:
        client_id, marker = await create(client), await create(client)
        named = {} if tool == "create_app" else {"client_id": client_id}
        watched = [uri_of(marker)]
        async with client.listen(
            resources_list_changed=True, resource_subscriptions=watched
        ) as events:
            answer(await client.call_tool(tool, named | arguments))
            arguments = {"client_id": marker, "access_token_expiry_minutes": 7}
            answer(await client.call_tool("update_app", arguments))
            with anyio.fail_after(10):
                first = await anext(aiter(events))
    assert first == (ResourcesListChanged() if relists else ResourceUpdated(uri_of(marker)))


async def test_unsubscribing_ends_the_updates(server: Server[Any]) -> None:
    async with listening_client(server, "legacy") as (client, heard):
        left, watched = await create(client), await create(client)
        async with watching(client, heard, left, watched) as hear:
            await client.unsubscribe_resource(uri_of(left))
            await rename(client, left, "Left")
            await anyio.sleep(0.02)
            await rename(client, watched, "Watched")
            with anyio.fail_after(10):
                assert await hear() == uri_of(watched)


async def test_a_subscription_to_another_uri_than_of_an_app_is_refused(client: Client) -> None:
    with pytest.raises(MCPError, match="uri: there is no such resource") as caught:
        await subscribe(client, "file:///etc/passwd")
    assert caught.value.error.code == types.INVALID_PARAMS


async def many(client: Client, count: int) -> list[str]:
    """The URIs of new apps."""
    return [uri_of(await create(client)) for _ in range(count)]


@pytest.mark.parametrize("era", ERAS)
async def test_a_subscription_to_a_missing_app_is_refused(server: Server[Any], era: str) -> None:
    async with Client(server, mode=era) as client:
        with pytest.raises(MCPError, match="there is no such resource") as caught:
            await subscribe(client, uri_of("connected-app-test-none"))
    assert caught.value.error.data == {"uri": "connected-app://connected-app-test-none"}


async def test_all_connections_of_the_handshake_era_watch_a_bounded_number_of_apps(
    server: Server[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_WATCHED_TOTAL", 3)
    async with Client(server, mode="legacy") as one:
        uris = await many(one, 2)
        async with Client(server, mode="legacy") as other:
            for client in (one, other):
                await client.subscribe_resource(uris[0])
            await other.subscribe_resource(uris[1])
            with pytest.raises(MCPError, match="At most 3 apps"):
                await one.subscribe_resource(uris[1])
        await one.subscribe_resource(uris[1])


async def test_a_client_of_the_handshake_era_that_read_the_list_hears_that_it_changed(
    server: Server[Any],
) -> None:
    heard = anyio.Event()

    async def hear(message: Any) -> None:
        if isinstance(message, types.ResourceListChangedNotification):
            heard.set()

    async with Client(server, mode="legacy", message_handler=hear) as client:
        await client.list_resources()
        await create(client)
        with anyio.fail_after(10):
            await heard.wait()


@pytest.mark.parametrize("era", ERAS)
async def test_both_eras_announce_the_same_capabilities(server: Server[Any], era: str) -> None:
    async with Client(server, mode=era) as client:
        offered = client.server_capabilities
    assert offered
    assert offered.resources
    assert offered.tools
    assert offered.prompts
    assert (offered.resources.list_changed, offered.resources.subscribe) == (True, True)
    assert (offered.tools.list_changed, offered.prompts.list_changed) == (False, False)


async def test_one_connection_of_the_handshake_era_watches_a_bounded_number_of_apps(
    server: Server[Any],
) -> None:
    async with Client(server, mode="legacy") as client:
        first, *others, last = await many(client, MAX_WATCHED + 1)
        for uri in [first, *others]:
            await client.subscribe_resource(uri)
        await client.subscribe_resource(first)
        with pytest.raises(MCPError, match=f"At most {MAX_WATCHED} apps"):
            await client.subscribe_resource(last)
        await client.unsubscribe_resource(first)
        await client.subscribe_resource(last)


async def test_one_stream_watches_a_bounded_number_of_apps(server: Server[Any]) -> None:
    async with Client(server) as client:
        uris = await many(client, MAX_WATCHED + 1)
        async with client.listen(resource_subscriptions=uris[:-1]) as events:
            assert events.honored.resource_subscriptions == uris[:-1]
        with pytest.raises(MCPError, match=f"At most {MAX_WATCHED} apps"):
            await subscribe(client, *uris)


PUBLIC = CreateApp(client_type="third_party_public")


class CountingBus(InMemorySubscriptionBus):
    """A bus that counts its listeners."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners = 0

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        unsubscribe = super().subscribe(listener)
        self.listeners += 1

        def leave() -> None:
            self.listeners -= 1
            unsubscribe()

        return leave


@pytest.mark.parametrize("era", ERAS)
async def test_a_subscription_ends_with_its_connection(project: ToolContext, era: str) -> None:
    bus = CountingBus()
    server: Server[Any] = Server("test", lifespan=lifespan)
    everybody = Rights(project, EVERYTHING, Confirmation.of(project, "auto"))
    Subscriptions(RightsOfCallers(everybody), bus).add_to(server)
    apps = [(await project.api.create(PUBLIC)).connected_app.client_id for _ in range(2)]
    for _ in range(2):
        async with listening_client(server, era) as (client, heard), watching(client, heard, *apps):
            assert bus.listeners == 1
        assert bus.listeners == 0


async def test_a_subscriber_that_does_not_read_delays_nobody(server: Server[Any]) -> None:
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](10)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](2)
    async with Client(server) as other, anyio.create_task_group() as tasks:
        client_id = await create(other)
        subscribe = {
            "jsonrpc": "2.0",
            "id": "subscribe",
            "method": "resources/subscribe",
            "params": {"uri": uri_of(client_id)},
        }
        options = server.create_initialization_options()
        tasks.start_soon(server.run, incoming, outgoing, options)
        with to_server, from_server, anyio.fail_after(10):
            for message in [*HELLO, subscribe]:
                parsed = types.jsonrpc_message_adapter.validate_python(message)
                await to_server.send(SessionMessage(parsed))
            for _ in ("initialize", "subscribe"):
                await from_server.receive()
            for number in range(5):
                await rename(other, client_id, f"Name {number}")
                await anyio.sleep(0.001)
            assert from_server.statistics().tasks_waiting_send == 1
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("era", ERAS)
async def test_a_subscriber_of_another_process_hears_over_stdio(era: str) -> None:
    async with listening_client(STDIO, era) as (client, heard):
        client_id = await create(client)
        async with watching(client, heard, client_id) as hear:
            await rename(client, client_id, "New")
            with anyio.fail_after(20):
                assert await hear() == uri_of(client_id)


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("era", ERAS)
async def test_a_subscriber_hears_of_the_changes_of_other_clients_over_the_network(
    transport: str, era: str
) -> None:
    with listening("--transport", transport, "--sandbox") as urls:
        target = urls["http"] if transport == "http" else sse_client(urls["sse"])
        async with (
            Client(urls["http"] if transport == "http" else sse_client(urls["sse"])) as other,
            listening_client(target, era) as (client, heard),
        ):
            client_id = await create(other)
            enough = anyio.Event()

            async def go_on_changing() -> None:
                # In the handshake era, nothing shows when the client's stream is open.
                for number in range(1000):
                    await rename(other, client_id, f"Name {number}")
                    await anyio.sleep(0.05)
                    if enough.is_set():  # a client over SSE fails if it hears of more as it ends
                        return

            async with watching(client, heard, client_id) as hear, anyio.create_task_group() as tg:
                tg.start_soon(go_on_changing)
                with anyio.fail_after(20):
                    assert await hear() == uri_of(client_id)
                enough.set()
