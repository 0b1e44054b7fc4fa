"""The server bounds what its callers can use: attacks on real processes."""

import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from support import HELLO, REAL, SERVER, lines, running, serving, slow_service, talk

from connected_apps_mcp import limits

SANDBOX = ["--sandbox"]


@contextmanager
def limited(*arguments: str, **bounds: float) -> Iterator[subprocess.Popen[str]]:
    """A server over HTTP with other limits."""
    code = "import sys\nfrom connected_apps_mcp import limits\n"
    code += "".join(f"limits.{name} = {value}\n" for name, value in bounds.items())
    code += "from connected_apps_mcp.commands.cli import main\nmain(sys.argv[1:])"
    command = [sys.executable, "-P", "-c", code, "serve", "--sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline().split()[-1]


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@contextmanager
def unread_stderr() -> Iterator[int]:
    """The writing end of a full pipe."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 512)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x")
    os.set_blocking(writing, True)
    try:
        yield writing
    finally:
        os.close(writing)
        os.close(reading)


def test_a_server_with_a_full_standard_error_responds_and_ends() -> None:
    with unread_stderr() as stderr:
        process = subprocess.Popen(
            [*SERVER, *SANDBOX],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        with process:
            assert process.stdout
            talk(process, "no message\n" * 2000 + lines(*HELLO))
            answers = (json.loads(line) for line in process.stdout)
            assert any(answer.get("id") == HELLO[0]["id"] for answer in answers)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


BLOCKED = """
import sys, time, anyio
from connected_apps_mcp.transports.shutdown import ShutdownSignals

async def block() -> None:
    async with ShutdownSignals():
        print("ready", flush=True)
        while True:
            time.sleep(60)

anyio.run(block)
"""


def test_a_third_signal_ends_a_process_whose_event_loop_is_blocked() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", BLOCKED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
        assert process.wait(20) == 1


ODD_LINES = [
    *(f'"id":{odd}' for odd in ["null", "true", "1.5", "1e3", "{}", "[]", "-Infinity"]),
    r'"\u0069d":null',
    r'"i\u0064":-1.0',
    '"id":null,"not UTF-8":"\udcff"',
]


@pytest.mark.parametrize("odd", ODD_LINES)
def test_a_request_with_an_id_that_json_rpc_forbids_is_refused(odd: str) -> None:
    line = f'{{"jsonrpc":"2.0","method":"ping",{odd}}}\n'.encode(errors="surrogateescape")
    with running(*SANDBOX) as process:
        assert process.stdin
        assert process.stdout
        os.write(process.stdin.fileno(), line + b'{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
        refused = json.loads(process.stdout.readline())
    assert (refused["id"], refused["error"]["code"]) == (None, -32600)


def test_too_many_requests_in_flight_are_refused() -> None:
    hang = {"name": "get_app", "arguments": {"client_id": "hanging"}}
    request = {"jsonrpc": "2.0", "method": "tools/call", "params": hang}
    with serving(slow_service) as url, running("--base-url", url, **REAL) as process:
        assert process.stdout
        talk(process, lines(*HELLO))
        process.stdout.readline()
        talk(process, lines(*({**request, "id": n} for n in range(2, limits.MAX_CALLS + 3))))
        refused = json.loads(process.stdout.readline())
        process.kill()
    assert refused["id"] == limits.MAX_CALLS + 2
    assert f"{limits.MAX_CALLS} are in flight" in refused["error"]["message"]


def test_a_request_with_the_id_of_one_in_flight_is_refused() -> None:
    hang = {"name": "get_app", "arguments": {"client_id": "hanging"}}
    request = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": hang}
    with serving(slow_service) as url, running("--base-url", url, **REAL) as process:
        assert process.stdout
        talk(process, lines(*HELLO, request, request, {**request, "id": 3, "method": "ping"}))
        process.stdout.readline()
        refused, answered = (json.loads(process.stdout.readline()) for _ in range(2))
        process.kill()
    assert (refused["id"], refused["error"]["code"]) == (None, -32600)
    assert answered["id"] == 3


def test_the_server_stops_reading_a_client_that_does_not_read() -> None:
    with running(*SANDBOX) as process:
        assert process.stdin
        pipe = process.stdin.fileno()
        talk(process, lines(*HELLO))
        os.set_blocking(pipe, False)
        request = {"jsonrpc": "2.0", "method": "tools/list"}
        taken = 0
        for number in range(100_000):
            line = lines({**request, "id": number}).encode()
            if not select.select([], [pipe], [], 2.0)[1]:
                break
            with suppress(BlockingIOError):
                taken += os.write(pipe, line)
        process.kill()
    assert taken < limits.MAX_UNREAD_BYTES


def test_an_incomplete_head_closes_the_connection() -> None:
    with limited("--transport", "http", HEADER_SECONDS=0.3) as process:
        url = url_of(process)
        for begun in (b"", b"POST /mcp HTTP/1.1\r\nHost: x\r\n"):
            with connect(url) as connection:
                connection.sendall(begun)
                assert connection.recv(100) == b""


def test_an_incomplete_head_after_a_response_closes_the_connection() -> None:
    with limited("--transport", "http", HEADER_SECONDS=0.3) as process:
        url = url_of(process)
        with connect(url) as connection:
            host = urlsplit(url).netloc.encode()
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\nGET /he")
            response = b""
            while chunk := connection.recv(1000):
                response += chunk
    assert response.endswith(b"ok")


def test_an_incomplete_body_is_refused() -> None:
    with limited("--transport", "http", BODY_SECONDS=0.3) as process:
        url = url_of(process)
        with connect(url) as connection:
            host = urlsplit(url).netloc.encode()
            connection.sendall(
                b"POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\n"
                b"Accept: application/json, text/event-stream\r\n"
                b"Content-Length: 100\r\nHost: " + host + b'\r\n\r\n{"a'
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_too_many_sessions_are_refused() -> None:
    with limited("--transport", "http", MAX_SESSIONS=2) as process:
        url = url_of(process)
        with httpx2.Client(headers=ACCEPT, trust_env=False) as http:
            statuses = [http.post(url, json=INITIALIZE).status_code for _ in range(3)]
    assert statuses == [200, 200, 503]


@pytest.mark.parametrize(
    ("bound", "session_of_its_own"), [("MAX_CALLS", False), ("MAX_CALLS_TOTAL", True)]
)
def test_requests_of_clients_that_hang_up_are_bounded(bound: str, session_of_its_own: bool) -> None:
    hello = json.loads(json.dumps(INITIALIZE))
    hello["params"]["capabilities"] = {"elicitation": {}}  # a question waits for ten minutes
    call = {"jsonrpc": "2.0", "method": "tools/call"}
    new = {"name": "create_app", "arguments": {"client_type": "first_party_public"}}

    with (
        limited("--transport", "http", **{bound: 2}) as process,
        httpx2.Client(headers=ACCEPT, trust_env=False) as http,
    ):
        url = url_of(process)

        def begin() -> dict[str, str]:
            session = http.post(url, json=hello).headers["mcp-session-id"]
            return {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}

        def ask(number: int, params: dict[str, Any]) -> str:
            request = {**call, "id": number, "params": params}
            with http.stream("POST", url, json=request, headers=headers) as response:
                events = (line for line in response.iter_lines() if line.startswith("data: {"))
                return next(events)

        headers = begin()
        created = json.loads(ask(2, new).removeprefix("data: "))
        app = created["result"]["structuredContent"]["app"]["client_id"]
        delete = {"name": "delete_app", "arguments": {"client_id": app}}
        for number in (3, 4):
            assert "elicitation/create" in ask(number, delete)
            headers = begin() if session_of_its_own else headers
        refused = ask(5, delete)
        process.kill()  # else it waits for the answers
    assert "Too many requests" in refused


def test_an_abandoned_session_ends() -> None:
    with limited("--transport", "http", SESSION_IDLE_SECONDS=0.2) as process:
        url = url_of(process)
        with httpx2.Client(headers=ACCEPT, trust_env=False) as http:
            session = http.post(url, json=INITIALIZE).headers["mcp-session-id"]
            ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
            headers = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
            for _ in range(100):
                time.sleep(0.1)
                if http.post(url, json=ping, headers=headers).status_code == 404:
                    break
                time.sleep(0.3)
            else:
                pytest.fail("the session is still there")


def test_too_many_sse_streams_are_refused() -> None:
    with limited("--transport", "sse", MAX_SSE_SESSIONS=1) as process:
        url = url_of(process)
        with (
            httpx2.Client(headers=ACCEPT, trust_env=False) as http,
            http.stream("GET", url) as one,
            http.stream("GET", url) as other,
        ):
            assert (one.status_code, other.status_code) == (200, 503)


def test_a_stream_begins_with_an_id_and_a_retry_time() -> None:
    with limited("--transport", "http") as process:
        url = url_of(process)
        with httpx2.Client(headers=ACCEPT, trust_env=False) as http:
            first, *_ = http.post(url, json=INITIALIZE).text.replace("\r", "").split("\n\n")
    fields = dict(line.partition(": ")[::2] for line in first.split("\n"))
    assert fields["id"]
    assert fields["retry"] == str(limits.RETRY_MS)
    assert not fields.get("data", "").strip()


def test_the_event_id_of_a_stream_cannot_be_guessed() -> None:
    with limited("--transport", "http") as process:
        url = url_of(process)
        with httpx2.Client(headers=ACCEPT, trust_env=False) as http:
            begun = http.post(url, json=INITIALIZE)
            event_id = begun.text.replace("\r", "").split("\n")[0].removeprefix("id: ")
    assert len(event_id) >= 22


def test_control_characters_of_a_host_do_not_reach_standard_error() -> None:
    with limited("--transport", "http") as process:
        assert process.stderr
        url = url_of(process)
        with connect(url) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: evil\x9b31m\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 421")
        logged = process.stderr.readline()
    assert "evil" in logged
    assert "\x9b" not in logged


def test_similar_log_lines_are_rate_limited() -> None:
    with limited("--transport", "http") as process:
        assert process.stderr
        url = url_of(process)
        with httpx2.Client(trust_env=False) as http:
            for _ in range(200):
                assert http.get(url, headers={"host": "evil.example"}).status_code == 421
        process.terminate()
        logged = process.stderr.read().count("evil.example")
    assert 0 < logged < 50


def at_terminal(*arguments: str, stdin: bool) -> str:
    """The standard error of a server until it is interrupted."""
    terminal, side = pty.openpty()
    stream: Any = side if stdin else subprocess.PIPE
    with subprocess.Popen(
        [*SERVER, *SANDBOX, *arguments],
        stdin=stream,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(side)
        if stdin:
            assert process.stderr
            printed = process.stderr.readline()
            os.write(terminal, lines(HELLO[0]).encode())
            assert process.stdout
            assert json.loads(process.stdout.readline())["id"] == HELLO[0]["id"]
            process.terminate()
            process.wait(20)
        else:
            printed = process.communicate(lines(*HELLO), timeout=20)[1]
    os.close(terminal)
    return printed


def test_at_a_terminal_it_explains_itself_and_serves() -> None:
    assert at_terminal(stdin=True).startswith("connected-apps-mcp is an MCP server")


def test_in_a_host_it_prints_nothing() -> None:
    assert at_terminal(stdin=False) == ""


@pytest.mark.cold
@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.2, 0.35])
def test_an_interrupt_during_the_start_ends_it_quietly(seconds: float, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*SERVER, *SANDBOX],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        printed = process.communicate(timeout=20)[1]
    assert "connected_apps" not in printed  # the interpreter itself may print that it was starting
    assert process.returncode in {-signal.SIGINT, 0, 1}
