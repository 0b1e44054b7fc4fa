"""The benchmark of what the tools cost a model: that it measures what it says."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx2 import ASGITransport
from mcp import Client
from support import project_on

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from conversation import Conversation, NotOffered, WrongAnswer

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tokens.py"


def test_it_measures_this_server_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--json"], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)["here"]
    assert report["listing"]["five app tools"] < report["listing"]["all tools"]
    assert all(isinstance(cost, dict) for cost in report["questions"].values())
    assert report["questions"]["get one app"]["calls"] == 1
    assert report["questions"]["find an app by name among 1,000"]["calls"] == 1
    assert report["questions"]["list 20 apps"]["text"] > report["questions"]["get one app"]["text"]


@pytest.fixture
async def server() -> AsyncIterator[Conversation]:
    """A conversation with this server on an empty sandbox."""
    async with (
        project_on(ASGITransport(create_sandbox())) as project,
        Client(build_server(project)) as client,
    ):
        yield await Conversation.begin(client, {})


async def test_a_call_costs_the_bytes_of_its_request_and_of_its_answer(
    server: Conversation,
) -> None:
    answer = await server.call("search_apps", limit=1)
    request = '{"name":"search_apps","arguments":{"limit":1}}'
    text = json.dumps(answer, separators=(",", ":"))
    assert (server.cost.calls, server.cost.text) == (1, len(request) + len(text))
    assert server.cost.whole > len(request) + 2 * len(text)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [("search_apps", {"colour": "red"}, "search_apps: colour"), ("paint_app", {}, "paint_app")],
)
async def test_what_a_server_does_not_have_is_named(
    server: Conversation, tool: str, arguments: dict[str, str], said: str
) -> None:
    with pytest.raises(NotOffered, match=said):
        await server.call(tool, **arguments)


async def test_an_error_is_no_answer_to_be_measured(server: Conversation) -> None:
    with pytest.raises(WrongAnswer, match="connected_app_not_found"):
        await server.call("get_app", client_id="connected-app-test-none")
    assert server.cost.calls == 0


async def test_a_server_without_an_app_tool_cannot_be_compared(server: Conversation) -> None:
    with pytest.raises(WrongAnswer, match="does not list apps_get"):
        await Conversation.begin(server.client, {"get_app": "apps_get"})
