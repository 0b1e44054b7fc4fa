"""Sandboxes in process and on a socket, and clients for them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, SandboxCredentials, create_sandbox

BASE_URL = "http://sandbox/v1"


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """Serve `app` on a free loopback port; yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[Starlette], str]]:
    """Serve an app until the test ends."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(running(app))


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """One sandbox on a socket, for all tests that can share it."""
    with running(create_sandbox()) as url:
        yield url


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Awaitable[httpx2.AsyncClient]]]:
    """Open in-process clients of any sandbox, with any project credentials or none."""
    async with AsyncExitStack() as stack:

        async def open_client(
            app: Starlette, credentials: SandboxCredentials | None = SANDBOX_CREDENTIALS
        ) -> httpx2.AsyncClient:
            client = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False),
                base_url=BASE_URL,
                auth=(credentials.project_id, credentials.secret) if credentials else None,
            )
            return await stack.enter_async_context(client)

        yield open_client


@pytest.fixture
async def client(connect: Callable[..., Awaitable[httpx2.AsyncClient]]) -> httpx2.AsyncClient:
    """A client of a fresh sandbox in memory."""
    return await connect(create_sandbox())


@pytest.fixture
def create() -> Callable[..., Awaitable[dict[str, Any]]]:
    """Create an app, first_party by default; return the `connected_app` of the response."""

    async def create_app(client: httpx2.AsyncClient, **settings: object) -> dict[str, Any]:
        response = await client.post(
            "/connected_apps/clients", json={"client_type": "first_party", **settings}
        )
        assert response.status_code == 200, response.text
        app: dict[str, Any] = response.json()["connected_app"]
        return app

    return create_app


@pytest.fixture
def is_alive() -> Callable[..., Awaitable[bool]]:
    """Ask introspection whether a client's secret works."""

    async def ask(client: httpx2.AsyncClient, client_id: str, secret: str) -> bool:
        response = await client.post(
            "/oauth2/introspect", data={"token": "any"}, auth=(client_id, secret)
        )
        assert response.status_code in {200, 401}
        return bool(response.status_code == 200)

    return ask
