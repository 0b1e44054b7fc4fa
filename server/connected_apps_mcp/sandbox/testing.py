"""A pytest plugin: the sandbox in place of the service, for the tests of other programs.

Name this module in your conftest.py, and tests can use the fixture `stytch_sandbox`:

    pytest_plugins = ["connected_apps_mcp.sandbox.testing"]
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from . import SANDBOX_CREDENTIALS, ProjectKind, create_sandbox


@dataclass(frozen=True)
class StytchSandbox:
    """A sandbox on a loopback port.

    Attributes:
        url: its base URL, without a trailing slash.
        project_id: the project's id, the user name of HTTP Basic.
        secret: the project's secret, a fixed and fake one.
    """

    url: str
    project_id: str
    secret: str

    def reset(self) -> None:
        """Delete every app, user, organization, grant and fault."""
        self.ask("POST", "/sandbox/reset", {})

    def seed(self, **content: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Fill it with `apps`, `users` or `organizations`.

        docs/reference/sandbox.md shows the form.
        """
        return self.ask("POST", "/sandbox/seed", content)

    def fail(self, *faults: dict[str, Any]) -> None:
        """Replace the faults in force by these; call it without arguments to end all faults."""
        self.ask("PUT", "/sandbox/faults", {"faults": list(faults)})

    def ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and return the JSON of the response.

        Raises:
            urllib.error.HTTPError: the sandbox refused it; the body gives the reason.
        """
        basic = base64.b64encode(f"{self.project_id}:{self.secret}".encode()).decode()
        headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}
        http_request = Request(self.url + path, json.dumps(body).encode(), headers, method=method)  # noqa: S310 - our own URL
        with build_opener(ProxyHandler({})).open(http_request, timeout=30) as response:
            received: dict[str, Any] = json.load(response)
        return received


@contextmanager
def running_sandbox(kind: ProjectKind = "consumer") -> Iterator[StytchSandbox]:
    """A sandbox on a free loopback port, served by a thread."""
    import uvicorn

    config = uvicorn.Config(
        create_sandbox(kind=kind), log_config=None, lifespan="off", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield StytchSandbox(
                f"http://127.0.0.1:{port}",
                SANDBOX_CREDENTIALS.project_id,
                SANDBOX_CREDENTIALS.secret,
            )
        finally:
            server.should_exit = True
            thread.join(timeout=20)


@pytest.fixture(scope="session")
def _session_sandbox() -> Iterator[StytchSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def stytch_sandbox(_session_sandbox: StytchSandbox) -> StytchSandbox:
    """An empty sandbox of a consumer project, without faults."""
    _session_sandbox.reset()
    return _session_sandbox
