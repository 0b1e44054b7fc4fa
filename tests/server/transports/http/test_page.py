"""Over the wire: what is for some clients changes no byte for the others."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import product
from typing import Any

import httpx2
import pytest
from server.login.channels import ACCEPT, hello, modern, modern_headers, request_of
from support import ERAS, PAGE_CAPABILITY, lines, listening, running, talk

PLAIN: dict[str, Any] = {}
WITH_PAGE: dict[str, Any] = {"extensions": PAGE_CAPABILITY}
WITH_LINKS: dict[str, Any] = {"elicitation": {"url": {}}}
WITH_BOTH = WITH_PAGE | WITH_LINKS
WITHOUT_LINKS: list[dict[str, Any]] = [{"elicitation": {}}, {"elicitation": {"form": {}}}]

LISTS = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"]
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    *((method, {}) for method in LISTS),
    ("tools/call", {"name": "get_server_status", "arguments": {}}),
    ("tools/call", {"name": "search_apps", "arguments": {}}),
]

Send = Callable[[dict[str, Any]], str]
"""Sends a message. Returns the line of the response; nothing for a notification."""

Connect = Callable[[list[dict[str, Any]]], Send]
"""Begins with these messages."""


def over_stdio(stack: ExitStack) -> Connect:
    """A process of its own for each client."""

    def connect(greetings: list[dict[str, Any]]) -> Send:
        send = partial(_exchange, stack.enter_context(running("--sandbox")))
        for greeting in greetings:
            send(greeting)
        return send

    return connect


def over_http(stack: ExitStack) -> Connect:
    """One process for all clients."""
    url = stack.enter_context(listening("--transport", "http", "--sandbox"))["http"]
    http = stack.enter_context(httpx2.Client(trust_env=False))

    def connect(greetings: list[dict[str, Any]]) -> Send:
        session = dict(ACCEPT)
        for greeting in greetings:
            response = http.post(url, json=greeting, headers=session)
            session["mcp-protocol-version"] = "2025-11-25"
            if number := response.headers.get("mcp-session-id"):
                session["mcp-session-id"] = number

        def send(message: dict[str, Any]) -> str:
            headers = session if greetings else modern_headers(message)
            text = http.post(url, json=message, headers=headers).text
            (line,) = [line for line in text.splitlines() if '"jsonrpc"' in line]
            return line.removeprefix("data: ")

        return send

    return connect


WAYS = {"stdio": over_stdio, "http": over_http}


class Server:
    """A server that clients of all kinds reach by one transport, in one era."""

    def __init__(self, era: str, transport: str, stack: ExitStack) -> None:
        self.transport = transport
        self._era = era
        self._connect = WAYS[transport](stack)
        self._clients: dict[str, Send] = {}

    def ask(self, capabilities: dict[str, Any], method: str, params: dict[str, Any]) -> str:
        """The response to a client with these capabilities."""
        legacy = self._era == "legacy"
        # In the current era, one connection is of all.
        which = json.dumps(capabilities) if legacy else ""
        if which not in self._clients:
            self._clients[which] = self._connect(hello(capabilities) if legacy else [])
        message = modern(method, params, capabilities=capabilities)
        return self._clients[which](request_of(method, params) if legacy else message)


def _exchange(process: subprocess.Popen[str], message: dict[str, Any]) -> str:
    talk(process, lines(message))
    assert process.stdout
    return process.stdout.readline() if "id" in message else ""


@pytest.fixture(params=list(product(WAYS, ERAS)), ids="-".join)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    transport, era = request.param
    with ExitStack() as stack:
        yield Server(era, transport, stack)


def test_a_client_without_the_page_gets_the_same_bytes_whoever_else_has_it(
    server: Server,
) -> None:
    before = said_to(server, PLAIN)
    other = said_to(server, WITH_PAGE)
    assert before == said_to(server, PLAIN)
    assert not [line for line in before.values() if "ui://" in line or "to_page" in line]
    assert differing(before, other) == {"tools/list"}


def said_to(server: Server, capabilities: dict[str, Any]) -> dict[str, str]:
    """All that a client hears, by request."""
    return {str(request): server.ask(capabilities, *request) for request in REQUESTS}


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    """The methods with another response."""
    return {request[0] for request in REQUESTS if one[str(request)] != other[str(request)]}


def test_a_client_that_opens_no_links_gets_the_same_bytes_whoever_else_does(
    server: Server,
) -> None:
    before = said_to(server, PLAIN)
    other = said_to(server, WITH_LINKS)
    for capabilities in (PLAIN, *WITHOUT_LINKS):
        assert said_to(server, capabilities) == before
    assert not [line for line in before.values() if "in_console" in line]
    assert differing(before, other) == ({"tools/list"} if server.transport == "stdio" else set())


def test_a_client_that_also_shows_the_page_gets_no_byte_more_for_links(server: Server) -> None:
    assert said_to(server, WITH_BOTH) == said_to(server, WITH_PAGE)


HIDDEN: list[tuple[str, str, dict[str, Any]]] = [
    ("resources/read", "uri", {"uri": "ui://connected-apps/page.html"}),
    (
        "tools/call",
        "name",
        {"name": "reveal_client_secret_to_page", "arguments": {"client_id": "x"}},
    ),
    (
        "tools/call",
        "name",
        {"name": "show_client_secret_in_console", "arguments": {"client_id": "x"}},
    ),
]


@pytest.mark.parametrize(("method", "key", "params"), HIDDEN)
def test_a_client_without_the_page_is_refused_as_for_what_is_not_there(
    server: Server, method: str, key: str, params: dict[str, Any]
) -> None:
    hidden = server.ask(PLAIN, method, params)
    missing = server.ask(PLAIN, method, params | {key: params[key] + "x"})
    assert "error" in json.loads(hidden)
    assert hidden == missing.replace(params[key] + "x", params[key])


def test_a_client_with_the_page_reads_it(server: Server) -> None:
    response = json.loads(
        server.ask(WITH_PAGE, "resources/read", {"uri": "ui://connected-apps/page.html"})
    )
    (content,) = response["result"]["contents"]
    assert content["mimeType"] == "text/html;profile=mcp-app"
    assert content["text"].startswith("<!doctype html>")
