"""Guards and shutdown of the HTTP transports."""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from support import ERAS, REAL, announcing, answer, listening, running, serving, slow_service

from connected_apps_mcp.limits import MAX_BODY_BYTES

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with listening("--transport", "http,sse", "--sandbox") as urls:
        yield urls["http"].removesuffix("/mcp")


PATHS = [
    ("POST", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages/?session_id=0"),
    ("GET", "/healthz"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "127.0.0.1:1", ""]
)
def test_a_foreign_host_is_refused(base: str, method: str, path: str, host: str) -> None:
    refused = httpx2.request(method, base + path, json=PING, headers=HEADERS | {"host": host})
    assert refused.status_code in {400, 421}


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"]
)
def test_a_foreign_origin_is_refused(base: str, method: str, path: str, origin: str) -> None:
    refused = httpx2.request(method, base + path, json=PING, headers=HEADERS | {"origin": origin})
    assert refused.status_code == 403


def test_its_own_origin_is_accepted(base: str) -> None:
    assert httpx2.get(f"{base}/healthz", headers={"origin": base}).status_code == 200


def test_the_name_localhost_is_accepted(base: str) -> None:
    port = base.rpartition(":")[2]
    response = httpx2.get(f"{base}/healthz", headers={"host": f"localhost:{port}"})
    assert response.text == "ok"


@pytest.mark.parametrize("path", ["/mcp", "/messages/?session_id=0"])
def test_a_large_body_is_refused(base: str, path: str) -> None:
    body = json.dumps(PING | {"params": "x" * MAX_BODY_BYTES})
    assert httpx2.post(base + path, content=body, headers=HEADERS).status_code == 413


@pytest.mark.parametrize(("transport", "other"), [("http", "/sse"), ("sse", "/mcp")])
def test_only_the_given_transport_is_served(transport: str, other: str) -> None:
    with listening("--transport", transport, "--sandbox") as urls:
        base = urls[transport].rpartition("/")[0]
        assert httpx2.get(base + other).status_code == 404
        assert httpx2.get(f"{base}/healthz").status_code == 200


def test_it_listens_on_ipv6_too() -> None:
    with listening("--transport", "http", "--sandbox", "--host", "::1") as urls:
        assert urls["http"].startswith("http://[::1]:")
        assert httpx2.get(urls["http"].replace("/mcp", "/healthz")).text == "ok"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_signal_ends_the_server_after_the_call_in_flight(transport: str, era: str) -> None:
    called = threading.Event()
    with (
        serving(announcing(slow_service, called)) as service,
        running(
            "serve", "--transport", transport, "--port", "0", "--base-url", service, **REAL
        ) as process,
    ):
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        target = url if transport == "http" else sse_client(url)
        async with Client(target, mode=era) as client, anyio.create_task_group() as tasks:

            async def interrupt() -> None:
                assert await asyncio.to_thread(called.wait, 20)
                process.send_signal(signal.SIGTERM)

            tasks.start_soon(interrupt)
            result = await client.call_tool("get_app", {"client_id": "slow"})
        await asyncio.to_thread(process.wait, 20)
        errors = process.stderr.read()
    assert answer(result)["app"]["client_id"] == "slow"
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_shown_secret_is_in_no_log_even_at_debug(transport: str) -> None:
    arguments = {"client_type": "first_party", "reveal_secret": True}
    with running(
        "serve", "--transport", transport, "--port", "0", "--sandbox", "--log-level", "debug"
    ) as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        async with Client(url if transport == "http" else sse_client(url)) as client:
            created = answer(await client.call_tool("create_app", arguments))
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
        errors = process.stderr.read()
    assert "POST /v1/connected_apps/clients: 200" in errors
    assert created["client_secret"]["value"] not in errors


def test_an_unreadable_message_is_not_quoted_in_the_log() -> None:
    with running("serve", "--transport", "sse", "--port", "0", "--sandbox") as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        with httpx2.stream("GET", url) as events:
            lines = events.iter_lines()
            endpoint = next(line for line in lines if line.startswith("data: "))
            response = httpx2.post(
                url.removesuffix("/sse") + endpoint.removeprefix("data: "),
                content="garbage-canary-Zx81",
                headers=HEADERS,
            )
        process.terminate()
        process.wait(20)
        errors = process.stderr.read()
    assert response.status_code == 400
    assert "Failed to parse message (ValidationError)" in errors
    assert "Zx81" not in errors
    assert "Traceback" not in errors
