"""Over the wire: the page changes no byte for a client that did not announce it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx2
import pytest
from server.login.channels import ACCEPT, hello, modern, modern_headers, request_of
from support import ERAS, PAGE_CAPABILITY, lines, listening, running, talk

PLAIN: dict[str, Any] = {}
WITH_PAGE: dict[str, Any] = {"extensions": PAGE_CAPABILITY}

LISTS = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"]
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    *((method, {}) for method in LISTS),
    ("tools/call", {"name": "get_server_status", "arguments": {}}),
    ("tools/call", {"name": "search_apps", "arguments": {}}),
]

Ask = Callable[[dict[str, Any], str, dict[str, Any]], str]
"""Sends a request as a client with these capabilities. Returns the line of the response."""


class Server:
    """A server that clients with and without the page reach by one transport, in one era."""

    def __init__(self, transport: str, era: str, stack: ExitStack) -> None:
        self._era = era
        self._stack = stack
        self._http = self._url = None
        if transport == "http":
            self._url = stack.enter_context(listening("--transport", "http", "--sandbox"))["http"]
            self._http = stack.enter_context(httpx2.Client(trust_env=False))
        self._clients: dict[bool, Callable[[dict[str, Any]], str]] = {}

    def ask(self, capabilities: dict[str, Any], method: str, params: dict[str, Any]) -> str:
        """The response to a client with these capabilities."""
        legacy = self._era == "legacy"
        message = request_of(method, params)
        if not legacy:
            message = modern(method, params, capabilities=capabilities)
        # In the current era, one process hears both.
        which = legacy and bool(capabilities)
        if which not in self._clients:
            self._clients[which] = self._connect(capabilities)
        return self._clients[which](message)

    def _connect(self, capabilities: dict[str, Any]) -> Callable[[dict[str, Any]], str]:
        greetings = hello(capabilities) if self._era == "legacy" else []
        if self._url:
            return self._over_http(greetings)
        process = self._stack.enter_context(running("--sandbox"))
        for greeting in greetings:
            _exchange(process, greeting)
        return partial(_exchange, process)

    def _over_http(self, greetings: list[dict[str, Any]]) -> Callable[[dict[str, Any]], str]:
        session = dict(ACCEPT)
        for greeting in greetings:
            response = self._post(greeting, session)
            session |= {"mcp-protocol-version": "2025-11-25"}
            if number := response.headers.get("mcp-session-id"):
                session["mcp-session-id"] = number

        def send(message: dict[str, Any]) -> str:
            headers = session if greetings else modern_headers(message)
            text = self._post(message, headers).text
            (line,) = [line for line in text.splitlines() if '"jsonrpc"' in line]
            return line.removeprefix("data: ")

        return send

    def _post(self, message: dict[str, Any], headers: dict[str, str]) -> httpx2.Response:
        assert self._http
        assert self._url
        return self._http.post(self._url, json=message, headers=headers)


def _exchange(process: subprocess.Popen[str], message: dict[str, Any]) -> str:
    talk(process, lines(message))
    assert process.stdout
    return process.stdout.readline() if "id" in message else ""


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["stdio", "http"])
def server(request: pytest.FixtureRequest, era: str) -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(request.param, era, stack)


def test_a_client_without_the_page_gets_the_same_bytes_whoever_else_has_it(
    server: Server,
) -> None:
    before = [server.ask(PLAIN, *request) for request in REQUESTS]
    other = [server.ask(WITH_PAGE, *request) for request in REQUESTS]
    after = [server.ask(PLAIN, *request) for request in REQUESTS]
    assert before == after
    assert not [line for line in before if "ui://" in line or "to_page" in line]
    differ = {
        request[0]
        for request, *same in zip(REQUESTS, before, other, strict=True)
        if len({*same}) > 1
    }
    assert differ == {"tools/list"}


def test_a_client_without_the_page_is_refused_as_for_what_is_not_there(server: Server) -> None:
    arguments = {"client_id": "x", "public_key": "x"}
    for method, kind, there, elsewhere, more in [
        (
            "resources/read",
            "uri",
            "ui://connected-apps/page.html",
            "ui://connected-apps/p.html",
            {},
        ),
        (
            "tools/call",
            "name",
            "reveal_client_secret_to_page",
            "reveal_client_secret_to_pagf",
            {"arguments": arguments},
        ),
    ]:
        hidden = server.ask(PLAIN, method, {kind: there, **more})
        missing = server.ask(PLAIN, method, {kind: elsewhere, **more})
        assert "error" in json.loads(hidden)
        assert hidden.replace(there, "") == missing.replace(elsewhere, "")


def test_a_client_with_the_page_reads_it(server: Server) -> None:
    response = json.loads(
        server.ask(WITH_PAGE, "resources/read", {"uri": "ui://connected-apps/page.html"})
    )
    (content,) = response["result"]["contents"]
    assert content["mimeType"] == "text/html;profile=mcp-app"
    assert content["text"].startswith("<!doctype html>")
