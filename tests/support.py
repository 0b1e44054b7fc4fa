"""Helpers that several test modules share."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import anyio
import httpx2
import pytest
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.extension import advertise
from mcp.types import CallToolResult, TextContent
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from connected_apps_mcp.protocol.prompts import RUNBOOKS
from connected_apps_mcp.protocol.server import AnyServer, build_server
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS
from connected_apps_mcp.telemetry.acts import Telemetry
from connected_apps_mcp.telemetry.operations import Operations
from connected_apps_mcp.transports.http.listening import authority_of, bind
from connected_apps_tools import CATALOGUE, DEFAULT_TOOLSETS, TOOLSETS, ProjectKind, ToolContext
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.service import Credentials
from connected_apps_tools.context import AppLocks
from connected_apps_tools.secrets.fallback_store import FallbackStore
from connected_apps_tools.secrets.journal import Journal
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.secrets.stores import SecretStore
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.selection import OfferedTools, Selection, select_tools
from connected_apps_tools.storage.records import FolderState, SharedState
from node_packages import NodeMissing, node_for

OF_THE_TESTER: Mapping[str, str] = dict(os.environ)
"""Tools find their settings and caches in the home of the tester. Tests run with another one."""


def cannot_run(reason: str) -> NoReturn:
    """Skip tests, or fail: CI must not skip them silently."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def node_in(folder: Path, needs: str, environment: Mapping[str, str] = OF_THE_TESTER) -> str:
    """Node.js, for a folder with a package.json. Without it, the tests that need it cannot run."""
    try:
        return node_for(folder, environment)
    except NodeMissing as missing:
        cannot_run(f"they need {needs}: {missing}.")


def comes_true(condition: Callable[[], bool]) -> bool:
    """Whether something is so, at the latest after a while."""
    for _ in range(3000):
        if condition():
            return True
        time.sleep(0.01)
    return False


SANDBOX = Credentials(SANDBOX_CREDENTIALS.project_id, SecretStr(SANDBOX_CREDENTIALS.secret))

ERAS = ["legacy", "auto"]
"""Protocol eras: the handshake era, and what a current client negotiates."""

EVERY_SETTING: dict[str, Any] = {
    "client_name": "Billing",
    "client_description": "Shows invoices",
    "redirect_urls": ["https://billing.example/callback", "http://127.0.0.1/callback"],
    "post_logout_redirect_urls": ["https://billing.example/bye"],
    "logo_url": "https://billing.example/logo.png",
    "access_token_expiry_minutes": 30,
    "access_token_custom_audience": "https://billing.example",
    "access_token_template_content": '{"role": "admin"}',
    "id_token_template_content": '{"plan": {{ user.trusted_metadata.plan }} }',
    "full_access_allowed": True,
    "bypass_consent_for_offline_access": True,
}


SHOWN_APP: dict[str, Any] = {
    "client_id": "app",
    "client_name": "",
    "client_description": "",
    "status": "active",
    "client_type": "first_party",
    "creation_method": "API",
    "redirect_urls": [],
    "full_access_allowed": False,
    "post_logout_redirect_urls": [],
    "access_token_expiry_minutes": 60,
    "access_token_template_content": "",
    "bypass_consent_for_offline_access": False,
}
"""An app in a response of the service, with as little as possible."""


LISTED = [tool for tool in CATALOGUE if tool.listed_to == "everybody"]
"""The tools that every client sees if all are on."""

SEEN_WITH_PAGE = [tool for tool in CATALOGUE if tool.listed_to != "links"]
"""Those that a client with the page sees."""


def offering(**selection: Any) -> OfferedTools:
    """The tools that a selection from the whole catalogue offers."""
    return select_tools(
        TOOLSETS, Selection(**{"toolsets": list(filter(None, TOOLSETS)), **selection})
    )


def default_tools(kind: ProjectKind | None = None) -> set[str]:
    """The tools that are on if nothing is chosen, in a project of a kind."""
    on = offering(toolsets=DEFAULT_TOOLSETS[kind], destinations=()).on
    return {tool.name for tool in LISTED} & on.keys()


def json_of(result: CallToolResult) -> dict[str, Any]:
    """The JSON that the model reads in a result."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    read: dict[str, Any] = json.loads(block.text)
    return read


def answer(result: CallToolResult) -> dict[str, Any]:
    """The JSON of a result without an error; text and structure must agree."""
    assert not result.is_error, json_of(result)
    assert result.structured_content == json_of(result)
    return json_of(result)


def refusal(result: CallToolResult) -> dict[str, Any]:
    """The JSON of an error result."""
    assert result.is_error, json_of(result)
    return json_of(result)


@asynccontextmanager
async def project_on(
    transport: httpx2.AsyncBaseTransport,
    *stores: SecretStore | None,
    folder: Path | None = None,
    state: SharedState | None = None,
    **options: Any,
) -> AsyncIterator[ToolContext]:
    """A project behind a transport, with a journal and the given stores, or a file store.

    With a `state`, other servers share it.
    """
    with tempfile.TemporaryDirectory() as temporary:
        data = folder or Path(temporary)
        shared = state or FolderState(data)
        async with (
            ConnectedAppsClient(
                SANDBOX, base_url="http://localhost", transport=transport, **options
            ) as api,
            SecretLifecycle(
                api,
                Journal(shared.records("journal")),
                FallbackStore(api.project_id, *(stores or [FileStore(data / "secrets")])),
            ) as lifecycle,
        ):
            project = ToolContext.of(api, lifecycle, data, shared)
            locks = AppLocks(state.records("apps") if state else None)
            yield replace(project, app_locks=locks)


SERVER = [sys.executable, "-P", "-m", "connected_apps_mcp"]
"""The command line of a server, independent of the working directory."""


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ours with pipes. A signal ends it, unless it ended by itself."""
    process = subprocess.Popen(
        [*SERVER, *arguments],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
            process.terminate()
            process.wait(timeout=20)
        finally:
            process.kill()


@contextmanager
def listening(*arguments: str, **environment: str) -> Iterator[dict[str, str]]:
    """The URLs, by transport, of a server on a free port."""
    with running("serve", "--port", "0", *arguments, **environment) as process:
        assert process.stderr
        transports = arguments[arguments.index("--transport") + 1].split(",")
        yield {transport: process.stderr.readline().split()[-1] for transport in transports}
    assert process.returncode == 0


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The base URL of an application that a thread serves on a free loopback port."""
    config = uvicorn.Config(
        app,
        http="h11",  # httptools does not know the method LIST, which Vault uses
        log_config=None,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    listener = bind("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://{authority_of(listener)}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


PAGE_CAPABILITY = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
"""The extension that a client with pages announces."""

WITH_PAGE = [advertise(name, settings) for name, settings in PAGE_CAPABILITY.items()]
"""The same, for a client of the SDK."""

HELLO: list[dict[str, Any]] = [
    {
        "jsonrpc": "2.0",
        "id": "hello",
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
]
"""The first messages of a client of the handshake era."""

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""The `_meta` of each request of a client of the current era."""


def lines(*messages: dict[str, Any]) -> str:
    """Messages as lines for stdio."""
    return "".join(json.dumps(message) + "\n" for message in messages)


def talk(process: subprocess.Popen[str], text: str) -> None:
    """Send text, without waiting for a response."""
    assert process.stdin
    process.stdin.write(text)
    process.stdin.flush()


SLOWLY = 0.5
"""Seconds until the slow app is found."""


async def slow_service(scope: Scope, receive: Receive, send: Send) -> None:
    """A service with a slow app `slow` and an app `hanging` that never comes."""
    client_id = scope["path"].rpartition("/")[2]
    await anyio.sleep({"slow": SLOWLY, "hanging": 20}.get(client_id, 0))
    found = {"client_id": client_id, "client_name": "", "client_description": ""}
    found |= {"client_type": "first_party", "status": "active", "creation_method": "api"}
    lists: dict[str, Any] = {"redirect_urls": [], "post_logout_redirect_urls": []}
    flags = {"full_access_allowed": False, "bypass_consent_for_offline_access": False}
    tokens = {"access_token_expiry_minutes": 60, "access_token_template_content": ""}
    body = {"connected_app": found | lists | flags | tokens}
    await JSONResponse({"status_code": 200, "request_id": "r", **body})(scope, receive, send)


def announcing(service: ASGIApp, called: threading.Event) -> ASGIApp:
    """A service that sets an event when it is called."""

    async def announce(scope: Scope, receive: Receive, send: Send) -> None:
        called.set()
        await service(scope, receive, send)

    return announce


REAL = {"STYTCH_PROJECT_ID": "project-test-1", "STYTCH_SECRET": "secret-canary-Zx81kQ0pLm27"}
"""Credentials in the form of a real project."""


async def listed_by(server: StdioServerParameters) -> set[str]:
    """The names of the tools that a server lists, started as a client starts it."""
    async with Client(server) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


class Spans:
    """What telemetry exports of the traces of a test."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        meter = NoOpMeterProvider().get_meter("test")
        self.telemetry = Telemetry(provider.get_tracer("test"), meter)

    def of(self, server: AnyServer) -> AnyServer:
        """A server, from now on with spans."""
        prompts = [each.name for each in RUNBOOKS]
        server.middleware.insert(0, Operations(self.telemetry, offering().on, prompts))
        return server

    def text(self) -> str:
        """The spans so far."""
        return "\n".join(span.to_json() for span in self._exporter.get_finished_spans())

    def clear(self) -> None:
        """Forget the spans so far."""
        self._exporter.clear()


@asynccontextmanager
async def connected_to(handler: Any, **options: Any) -> AsyncIterator[Client]:
    """A client of a server on a service that is a function."""
    async with (
        project_on(httpx2.MockTransport(handler)) as project,
        Client(build_server(project), **options) as client,
    ):
        yield client


def secrets_command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `connected-apps-mcp secrets`."""
    return subprocess.run(
        [*SERVER, "secrets", *arguments],
        text=True,
        check=False,
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )


CREATE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "create_app", "arguments": {"client_type": "first_party"}},
}


def begin(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    """Send a request once the server is up, without waiting for the response."""
    assert process.stdout
    talk(process, lines(*HELLO))
    process.stdout.readline()
    talk(process, lines(message))


def begin_a_create(process: subprocess.Popen[str]) -> None:
    """Request a new app, without waiting for the response."""
    begin(process, CREATE)


@contextmanager
def on_service(service: ASGIApp, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server on a service."""
    credentials = {
        "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
        "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
    }
    store = ["--secret-store", "file", "--data-dir", str(folder / "data")]
    with (
        serving(service) as url,
        running(*arguments, "--base-url", url, *store, **credentials) as process,
    ):
        yield process
