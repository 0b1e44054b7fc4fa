"""The same calls give the same results over every transport, in both eras."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.server import Server
from sizes import sized
from support import ERAS, EVERY_SETTING, SANDBOX, SERVER, answer, json_of, listening, offering

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools import DEFAULT_TOOLSETS, ToolContext

APPS = sized("apps over each transport")
STDIO = StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], "--sandbox"])


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with listening("--transport", "http,sse", "--sandbox") as urls:
        yield urls


async def conversation(client: Client) -> list[Any]:
    """The results of one session, without values that differ each time."""
    results: list[Any] = [tool.model_dump() for tool in (await client.list_tools()).tools]
    created = await client.call_tool("create_app", {"client_type": "first_party", **EVERY_SETTING})
    client_id = answer(created)["app"]["client_id"]
    secret = answer(created)["client_secret"]
    for tool, arguments in (
        ("get_app", {"client_id": client_id}),
        ("update_app", {"client_id": client_id, "client_name": "New"}),
        ("update_app", {"client_id": client_id}),
        ("search_apps", {"limit": "many"}),
        ("delete_app", {"client_id": client_id}),
        ("get_app", {"client_id": client_id}),
    ):
        result = await client.call_tool(tool, arguments)
        results.append((tool, result.is_error, json_of(result), result.structured_content))
    text = json.dumps([answer(created), *results], sort_keys=True)
    text = re.sub(r"request-id-test-[0-9a-f-]{36}", "<request>", text)
    text = re.sub(r'"version": "[\w-]{22}"', '"version": "<version>"', text)
    text = text.replace(json.dumps(secret["kept_in"]), '"<place>"')
    text = text.replace(json.dumps(secret["note"]), '"<note>"')
    text = text.replace(client_id, "<client>").replace(json.dumps(secret["last_four"]), '"…"')
    return list(json.loads(text))


@pytest.fixture
def server(project: ToolContext) -> Server[Any]:
    """A server with the default toolsets."""
    return build_server(project, offering(toolsets=DEFAULT_TOOLSETS["consumer"], destinations=()))


@pytest.fixture
async def in_memory(server: Server[Any]) -> list[Any]:
    async with Client(server) as client:
        return await conversation(client)


@pytest.mark.parametrize("era", ERAS)
async def test_the_in_memory_client_gets_the_same_results_in_both_eras(
    server: Server[Any], in_memory: list[Any], era: str
) -> None:
    async with Client(server, mode=era) as client:
        assert await conversation(client) == in_memory


@pytest.mark.parametrize("era", ERAS)
async def test_stdio_gives_the_same_results(in_memory: list[Any], era: str) -> None:
    async with Client(STDIO, mode=era) as client:
        assert await conversation(client) == in_memory


@pytest.mark.parametrize("era", ERAS)
async def test_streamable_http_gives_the_same_results(
    urls: dict[str, str], in_memory: list[Any], era: str
) -> None:
    async with Client(urls["http"], mode=era) as client:
        assert await conversation(client) == in_memory


@pytest.mark.parametrize("era", ERAS)
async def test_sse_gives_the_same_results(
    urls: dict[str, str], in_memory: list[Any], era: str
) -> None:
    async with Client(sse_client(urls["sse"]), mode=era) as client:
        assert await conversation(client) == in_memory


async def test_clients_of_all_transports_see_the_same_apps(urls: dict[str, str]) -> None:
    async with Client(urls["http"]) as one, Client(sse_client(urls["sse"])) as other:
        created = await one.call_tool("create_app", {"client_type": "first_party"})
        client_id = answer(created)["app"]["client_id"]
        assert answer(await other.call_tool("get_app", {"client_id": client_id}))


@pytest.mark.series
@pytest.mark.parametrize("transport", ["stdio", "http", "sse"])
@pytest.mark.parametrize("era", ERAS)
async def test_many_apps_can_be_read_over_every_transport(
    tmp_path: Path, transport: str, era: str
) -> None:
    database = str(tmp_path / "apps.sqlite3")
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_sandbox(database=database)),
        base_url="http://localhost",
        auth=(SANDBOX.project_id, SANDBOX.secret.get_secret_value()),
    ) as http:
        for number in range(APPS):
            app = {"client_type": "first_party_public", "client_name": f"App {number}"}
            app |= {"client_description": "It does this and that. " * 40}
            await http.post("/v1/connected_apps/clients", json=app)
    flags = ["--sandbox", "--sandbox-db", database]
    if transport == "stdio":
        seen = await read_all(
            StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *flags]), era
        )
    else:
        with listening("--transport", transport, *flags) as urls:
            target = urls["http"] if transport == "http" else sse_client(urls["sse"])
            seen = await read_all(target, era)
    assert sorted(seen) == sorted(f"App {number}" for number in range(APPS))


async def read_all(target: Any, era: str) -> list[str]:
    seen: list[str] = []
    arguments: dict[str, Any] = {"limit": 1000}
    async with Client(target, mode=era) as client:
        while True:
            page = answer(await client.call_tool("search_apps", arguments))
            seen += [app["client_name"] for app in page["apps"]]
            if "next_cursor" not in page:
                return seen
            arguments["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_hundred_calls_at_once_over_stdio_each_get_their_own_result(era: str) -> None:
    answered: dict[str, str] = {}
    async with Client(STDIO, mode=era) as client:

        async def create(name: str) -> None:
            arguments = {"client_type": "first_party_public", "client_name": name}
            answered[name] = answer(await client.call_tool("create_app", arguments))["app"][
                "client_name"
            ]

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(create, f"App {number}")
    assert answered == {f"App {number}": f"App {number}" for number in range(100)}


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_hundred_calls_at_once_over_http_each_get_their_own_result(
    urls: dict[str, str], transport: str
) -> None:
    answered: set[str] = set()
    target = urls["http"] if transport == "http" else sse_client(urls["sse"])
    async with Client(target) as client:

        async def ask(name: str) -> None:
            arguments = {"client_type": "third_party_public", "client_name": name}
            created = answer(await client.call_tool("create_app", arguments))
            assert created["app"]["client_name"] == name
            answered.add(name)

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(ask, f"App {number}")
    assert len(answered) == 100
