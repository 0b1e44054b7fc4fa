"""Whatever a server says passes one edge, over every transport."""

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
from support import HELLO, lines, talk

from connected_apps_tools.text.redaction import MASK

ACCEPT = {"accept": "application/json, text/event-stream"}

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


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


class Heard:
    """What a client hears, up to the answer."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.answered = anyio.Event()

    async def over(self, response: httpx2.Response) -> None:
        async for line in response.aiter_lines():
            self.note(line.removeprefix("data: "))

    def note(self, text: str) -> None:
        if text.startswith("{"):
            self.messages.append(text)
            if json.loads(text).get("id") == "all":
                self.answered.set()


async def heard_over_stdio(era: str) -> list[str]:
    heard = Heard()
    with talkative("stdio") as process:
        hello = HELLO if era == "legacy" else []
        talk(process, lines(*hello, ask("prompts/list", era)))
        assert process.stdout
        while not heard.answered.is_set():
            heard.note(process.stdout.readline())
    return heard.messages


@asynccontextmanager
async def listening_to(
    tasks: TaskGroup, http: httpx2.AsyncClient, heard: Heard, url: str
) -> AsyncIterator[httpx2.Response]:
    async with http.stream("GET", url, headers={"accept": "text/event-stream"}) as events:
        yield events
        tasks.start_soon(heard.over, events)
        await heard.answered.wait()
        tasks.cancel_scope.cancel()


async def heard_over_http(era: str) -> list[str]:
    heard, message = Heard(), ask("prompts/list", era)
    with talkative("http") as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        async with (
            httpx2.AsyncClient(headers=ACCEPT) as http,
            anyio.create_task_group() as tasks,
        ):

            async def call() -> None:
                async with http.stream("POST", url, json=message) as answer:
                    await heard.over(answer)

            if era == "modern":
                http.headers.update(headers(message))
                await call()
            else:
                begun = await http.post(url, json=HELLO[0])
                http.headers["mcp-session-id"] = begun.headers["mcp-session-id"]
                await http.post(url, json=HELLO[1])
                async with listening_to(tasks, http, heard, url):
                    tasks.start_soon(call)
    return heard.messages


async def heard_over_sse(era: str) -> list[str]:
    heard = Heard()
    with talkative("sse") as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        async with (
            httpx2.AsyncClient() as http,
            anyio.create_task_group() as tasks,
            http.stream("GET", url) as events,
        ):
            told = events.aiter_lines()
            endpoint = [await anext(told) for _ in range(2)][1].removeprefix("data: ")
            for message in [*(HELLO if era == "legacy" else []), ask("prompts/list", era)]:
                await http.post(url.removesuffix("/sse") + endpoint, json=message)
            async for line in told:
                heard.note(line.removeprefix("data: "))
                if heard.answered.is_set():
                    tasks.cancel_scope.cancel()
    return heard.messages


HEARD = {"stdio": heard_over_stdio, "http": heard_over_http, "sse": heard_over_sse}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", HEARD)
async def test_nothing_that_a_server_says_holds_a_secret(transport: str, era: str) -> None:
    with anyio.fail_after(30):
        messages = await HEARD[transport](era)
    assert "Zx81" not in "".join(messages)
    assert sum(MASK in message for message in messages) >= WAYS[era], messages


LISTEN = ask("subscriptions/listen", "modern", notifications={"toolsListChanged": True})


@pytest.mark.parametrize("ending", ["a signal", "the end of the input"])
def test_who_listens_over_stdio_does_not_hold_the_end_back(ending: str) -> None:
    with talkative("stdio") as process:
        talk(process, lines(LISTEN))
        assert process.stdout
        assert "acknowledged" in process.stdout.readline()
        if ending == "a signal":
            process.terminate()
        elif process.stdin:
            process.stdin.close()
        process.wait(timeout=10)


def test_who_listens_over_http_does_not_hold_the_end_back() -> None:
    with talkative("http") as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        with httpx2.stream("POST", url, json=LISTEN, headers=ACCEPT | headers(LISTEN)) as told:
            events = told.iter_lines()
            assert any("acknowledged" in line for line in events)
            process.terminate()
            process.wait(timeout=10)


ASKABLE = json.loads(
    json.dumps(HELLO).replace('"capabilities": {}', '"capabilities": {"elicitation": {}}')
)


def test_who_is_asked_something_and_closes_the_input_ends_the_server() -> None:
    with talkative("stdio") as process:
        talk(process, lines(*ASKABLE, ask("resources/list", "legacy")))
        assert process.stdin
        assert process.stdout
        while "elicitation/create" not in process.stdout.readline():
            pass
        process.stdin.close()
        told = json.loads(process.stdout.readline())
        process.wait(timeout=10)
    assert told["error"]["message"] == "Not answered: Connection closed"


def test_an_answer_to_the_server_is_not_taken_for_one_to_the_client() -> None:
    with talkative("stdio") as process:
        # The server numbers what it asks from 1 as well.
        talk(process, lines(*ASKABLE, ask("resources/list", "legacy") | {"id": 1}))
        assert process.stdout
        while "elicitation/create" not in process.stdout.readline():
            pass
        declined = {"jsonrpc": "2.0", "id": 1, "result": {"action": "decline"}}
        output, _ = process.communicate(lines(declined), timeout=10)
    assert json.loads(output)["result"] == {"resources": []}
