"""The ways by which a caller reaches the server: two transports, each in two eras."""

import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from support import ERAS, HELLO, MODERN

WAYS = [(transport, era) for transport in ("http", "sse") for era in ERAS]
ACCEPT = {"accept": "application/json, text/event-stream"}
NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""What the header `Mcp-Name` repeats of each method."""
NOTHING: Mapping[str, Any] = {}


def bearer(token: str) -> dict[str, str]:
    """The header with a token."""
    return {"authorization": f"Bearer {token}"}


def request_of(method: str, params: Mapping[str, Any], number: int = 1) -> dict[str, Any]:
    """A request in JSON-RPC."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)}


def modern(
    method: str,
    params: Mapping[str, Any],
    number: int = 1,
    capabilities: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """A request of the current era, of a client with these capabilities."""
    meta = MODERN | {"io.modelcontextprotocol/clientCapabilities": dict(capabilities)}
    return request_of(method, {**params, "_meta": meta}, number)


def hello(capabilities: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The first messages of a client of the handshake era with these capabilities."""
    initialize, initialized = HELLO
    params = {**initialize["params"], "capabilities": dict(capabilities)}
    return [{**initialize, "params": params}, initialized]


def modern_headers(message: Mapping[str, Any]) -> dict[str, str]:
    """The headers that repeat a request of the current era."""
    method = message["method"]
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
    if name := message["params"].get(NAMES.get(method, "")):
        headers["mcp-name"] = name
    return ACCEPT | headers


def messages_in(response: httpx2.Response) -> list[dict[str, Any]]:
    """The messages of a response, as JSON or as a stream of events."""
    if response.headers.get("content-type", "").startswith("application/json"):
        return [response.json()]
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(each) for each in data]


def asked_for(response: httpx2.Response) -> set[str]:
    """The scopes that a challenge names."""
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    (named,) = re.findall('scope="([^"]*)"', challenge)
    return set(named.split())


@dataclass
class Reply:
    """What a caller gets for a request: the response, and the message with the result."""

    response: httpx2.Response
    message: dict[str, Any] = field(default_factory=dict)

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.message, (self.response.status_code, self.message)
        result: dict[str, Any] = self.message["result"]
        return result

    @property
    def tool_result(self) -> dict[str, Any]:
        """The JSON that the model reads."""
        read: dict[str, Any] = json.loads(self.result["content"][0]["text"])
        return read


class Channel:
    """A way to the server, of a client with these capabilities."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        url: str,
        era: str,
        capabilities: Mapping[str, Any] = NOTHING,
    ) -> None:
        self.http = http
        self.url = url
        self.era = era
        self.capabilities = capabilities
        self.headers = dict(ACCEPT)
        self._numbers = itertools.count(1)

    async def ask(self, token: str, method: str, **params: Any) -> Reply:
        """Send a request with a token, and wait for its result."""
        number = next(self._numbers)
        message = request_of(method, params, number)
        headers = dict(self.headers)
        if self.era != "legacy":
            message = modern(method, params, number, self.capabilities)
            headers |= modern_headers(message)
        return await self.send(token, message, headers)

    async def call(self, token: str, tool: str, **arguments: Any) -> Reply:
        """Call a tool."""
        return await self.ask(token, "tools/call", name=tool, arguments=arguments)

    async def send(
        self, token: str, message: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a message, and wait for its result."""
        headers = self.headers if headers is None else headers
        response = await self.http.post(
            self.url, json=message, headers=bearer(token) | dict(headers)
        )
        return await self.received(response, message.get("id"))

    async def received(self, response: httpx2.Response, number: int | None) -> Reply:
        """The reply that a response brings, or announces."""
        found = [each for each in messages_in(response) if each.get("id") == number]
        return Reply(response, *found)


class SseChannel(Channel):
    """The older SSE transport, where results come on a stream."""

    def __init__(
        self, http: httpx2.AsyncClient, url: str, era: str, capabilities: Mapping[str, Any]
    ) -> None:
        super().__init__(http, url, era, capabilities)
        self.heard: list[dict[str, Any]] = []
        self._news = anyio.Event()

    async def listen(self, lines: AsyncIterator[str]) -> None:
        """Remember what comes on the stream."""
        async for line in lines:
            if line.startswith("data: {"):
                self.heard.append(json.loads(line[6:]))
                self._news.set()
                self._news = anyio.Event()

    async def received(self, response: httpx2.Response, number: int | None) -> Reply:
        if not response.is_success or number is None:
            return Reply(response)
        with anyio.fail_after(20):
            while True:
                for message in self.heard:
                    if message.get("id") == number and "method" not in message:
                        return Reply(response, message)
                await self._news.wait()


@asynccontextmanager
async def channel(
    http: httpx2.AsyncClient,
    origin: str,
    way: tuple[str, str],
    token: str,
    capabilities: Mapping[str, Any] = NOTHING,
) -> AsyncIterator[Channel]:
    """A way to the server, which the holder of a token opens. Other tokens may use it later."""
    transport, era = way
    if transport == "sse":
        async with _sse(http, origin, era, token, capabilities) as opened:
            yield opened
        return
    opened = Channel(http, f"{origin}/mcp", era, capabilities)
    if era == "legacy":
        initialize, ready = hello(capabilities)
        greeted = await http.post(opened.url, json=initialize, headers=bearer(token) | ACCEPT)
        opened.headers["mcp-session-id"] = greeted.headers["mcp-session-id"]
        opened.headers["mcp-protocol-version"] = "2025-11-25"
        await http.post(opened.url, json=ready, headers=bearer(token) | opened.headers)
    yield opened


@asynccontextmanager
async def _sse(
    http: httpx2.AsyncClient,
    origin: str,
    era: str,
    token: str,
    capabilities: Mapping[str, Any],
) -> AsyncIterator[Channel]:
    async with (
        http.stream("GET", f"{origin}/sse", headers=bearer(token)) as events,
        anyio.create_task_group() as tasks,
    ):
        lines = events.aiter_lines()
        place = ""
        while not place.startswith("data: "):
            place = await anext(lines)
        opened = SseChannel(http, origin + place.removeprefix("data: "), era, capabilities)
        tasks.start_soon(opened.listen, lines)
        if era == "legacy":
            for message in hello(capabilities):
                await opened.send(token, message)
        yield opened
        tasks.cancel_scope.cancel()
