"""Everything that a server sends is redacted, over every transport."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import TaskGroup
from server.talkative import WAYS
from support import HELLO, MODERN, lines, talk

from connected_apps_tools.text.redaction import REDACTED

ACCEPT = {"accept": "application/json, text/event-stream"}


def ask(method: str, era: str, **params: Any) -> dict[str, Any]:
    meta = {"progressToken": 1} | (MODERN if era == "modern" else {})
    return {"jsonrpc": "2.0", "id": "all", "method": method, "params": {"_meta": meta, **params}}


def headers(message: dict[str, Any]) -> dict[str, str]:
    return {"mcp-protocol-version": "2026-07-28", "mcp-method": message["method"]}


@contextmanager
def talkative(transport: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("talkative.py")), transport],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert process.returncode == 0


class Received:
    """The messages that a client receives, up to the response."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.answered = anyio.Event()

    async def over(self, response: httpx2.Response) -> None:
        async for line in response.aiter_lines():
            self.add(line.removeprefix("data: "))

    def add(self, text: str) -> None:
        if text.startswith("{"):
            self.messages.append(text)
            if json.loads(text).get("id") == "all":
                self.answered.set()


async def received_over_stdio(era: str) -> list[str]:
    received = Received()
    with talkative("stdio") as process:
        hello = HELLO if era == "legacy" else []
        talk(process, lines(*hello, ask("prompts/list", era)))
        assert process.stdout
        while not received.answered.is_set():
            received.add(process.stdout.readline())
    return received.messages


@asynccontextmanager
async def listening_to(
    tasks: TaskGroup, http: httpx2.AsyncClient, received: Received, url: str
) -> AsyncIterator[httpx2.Response]:
    async with http.stream("GET", url, headers={"accept": "text/event-stream"}) as events:
        yield events
        tasks.start_soon(received.over, events)
        await received.answered.wait()
        tasks.cancel_scope.cancel()


async def received_over_http(era: str) -> list[str]:
    received, message = Received(), ask("prompts/list", era)
    with talkative("http") as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        async with (
            httpx2.AsyncClient(headers=ACCEPT) as http,
            anyio.create_task_group() as tasks,
        ):

            async def call() -> None:
                async with http.stream("POST", url, json=message) as answer:
                    await received.over(answer)

            if era == "modern":
                http.headers.update(headers(message))
                await call()
            else:
                begun = await http.post(url, json=HELLO[0])
                http.headers["mcp-session-id"] = begun.headers["mcp-session-id"]
                await http.post(url, json=HELLO[1])
                async with listening_to(tasks, http, received, url):
                    tasks.start_soon(call)
    return received.messages


async def received_over_sse(era: str) -> list[str]:
    received = Received()
    with talkative("sse") as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        async with (
            httpx2.AsyncClient() as http,
            anyio.create_task_group() as tasks,
            http.stream("GET", url) as events,
        ):
            events_lines = events.aiter_lines()
            endpoint = [await anext(events_lines) for _ in range(2)][1].removeprefix("data: ")
            for message in [*(HELLO if era == "legacy" else []), ask("prompts/list", era)]:
                await http.post(url.removesuffix("/sse") + endpoint, json=message)
            async for line in events_lines:
                received.add(line.removeprefix("data: "))
                if received.answered.is_set():
                    tasks.cancel_scope.cancel()
    return received.messages


RECEIVE = {"stdio": received_over_stdio, "http": received_over_http, "sse": received_over_sse}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", RECEIVE)
async def test_no_message_of_a_server_holds_a_secret(transport: str, era: str) -> None:
    with anyio.fail_after(30):
        messages = await RECEIVE[transport](era)
    assert "Zx81" not in "".join(messages)
    assert sum(REDACTED in message for message in messages) >= WAYS[era], messages


LISTEN = ask("subscriptions/listen", "modern", notifications={"toolsListChanged": True})


@pytest.mark.parametrize("ending", ["a signal", "the end of the input"])
def test_a_listening_client_over_stdio_does_not_delay_the_shutdown(ending: str) -> None:
    with talkative("stdio") as process:
        talk(process, lines(LISTEN))
        assert process.stdout
        assert "acknowledged" in process.stdout.readline()
        if ending == "a signal":
            process.terminate()
        elif process.stdin:
            process.stdin.close()
        process.wait(timeout=10)


def test_a_listening_client_over_http_does_not_delay_the_shutdown() -> None:
    with talkative("http") as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        with httpx2.stream("POST", url, json=LISTEN, headers=ACCEPT | headers(LISTEN)) as stream:
            events = stream.iter_lines()
            assert any("acknowledged" in line for line in events)
            process.terminate()
            process.wait(timeout=10)


ASKABLE = json.loads(
    json.dumps(HELLO).replace('"capabilities": {}', '"capabilities": {"elicitation": {}}')
)


def test_closing_the_input_ends_a_server_that_waits_for_an_answer() -> None:
    with talkative("stdio") as process:
        talk(process, lines(*ASKABLE, ask("resources/list", "legacy")))
        assert process.stdin
        assert process.stdout
        while "elicitation/create" not in process.stdout.readline():
            pass
        process.stdin.close()
        response = json.loads(process.stdout.readline())
        process.wait(timeout=10)
    assert response["error"]["message"] == "Not answered: Connection closed"


def test_a_response_to_the_server_does_not_end_a_request_of_the_client() -> None:
    with talkative("stdio") as process:
        # The server numbers its requests from 1 as well.
        talk(process, lines(*ASKABLE, ask("resources/list", "legacy") | {"id": 1}))
        assert process.stdout
        while "elicitation/create" not in process.stdout.readline():
            pass
        declined = {"jsonrpc": "2.0", "id": 1, "result": {"action": "decline"}}
        output, _ = process.communicate(lines(declined), timeout=10)
    assert json.loads(output)["result"] == {"resources": []}
