"""A stream ends when the token of its caller expires."""

import subprocess
from collections.abc import Iterator

import anyio
import httpx2
import pytest
from server.login.clocks import HOURS, Clock
from server.login.deployment import registered, token_of
from support import HELLO, MODERN, running

from connected_apps_tools.scopes import Scope

BOTH = {"accept": "application/json, text/event-stream"}
LEFT = 2
"""Seconds that a token still counts when its stream begins."""

METHOD = "subscriptions/listen"
LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": METHOD,
    "params": {"notifications": {"resourcesListChanged": True}, "_meta": MODERN},
}


@pytest.fixture
def process(clock: Clock) -> Iterator[subprocess.Popen[str]]:
    flags = ["--port", "0", "--transport", "http", "--sandbox", "--auth", "sandbox"]
    with running("serve", *flags, **clock.environment) as process:
        yield process


@pytest.mark.parametrize("era", ["handshake", "current"])
async def test_a_stream_ends_with_its_token(
    process: subprocess.Popen[str], clock: Clock, http: httpx2.AsyncClient, era: str
) -> None:
    assert process.stderr
    url = process.stderr.readline().split()[-1]
    client = await registered(http, url.removesuffix("/mcp"), "Streams")
    token = await token_of(client, frozenset({Scope.APPS_READ}), "", url)
    http.headers.update(BOTH | {"authorization": f"Bearer {token}"})
    if era == "handshake":
        begun = await http.post(url, json=HELLO[0])
        headers = {"mcp-session-id": begun.headers["mcp-session-id"]}
        request = http.build_request("GET", url, headers=headers)
    else:
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": METHOD}
        request = http.build_request("POST", url, json=LISTEN, headers=headers)
    clock.move(HOURS - LEFT)
    stream = await http.send(request, stream=True)
    assert stream.status_code == 200
    with anyio.fail_after(20):
        await stream.aread()
    assert (await http.post(url, json=HELLO[0])).status_code == 401
    process.terminate()
    assert "ERROR" not in process.stderr.read()
