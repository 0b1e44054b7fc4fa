"""A service that remembers what its callers have changed, and each secret that it has shown."""

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
import httpx2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools.secrets.stores.base import Which

APPS = "/v1/connected_apps/clients"

TOOLS = {
    ("PUT", ""): "update_app",
    ("DELETE", ""): "delete_app",
    ("POST", "secrets/rotate/start"): "start_secret_rotation",
    ("POST", "secrets/rotate"): "complete_secret_rotation",
    ("POST", "secrets/rotate/cancel"): "cancel_secret_rotation",
}
"""The tool that makes a request."""

SLOW_SECONDS = 0.3


@dataclass(frozen=True)
class Change:
    """A change that the service has made.

    Attributes:
        about: the name of a new app, or the id of another one.
        added: a redirect URL that the app did not have before.
    """

    tool: str
    about: str
    added: str = ""


@dataclass
class Witness:
    """The sandbox as an application. One request in ten takes long."""

    random: Random
    changes: list[Change] = field(default_factory=list)
    urls: dict[str, list[str]] = field(default_factory=dict)
    """The redirect URLs of each app that is there."""
    secrets: dict[str, dict[Which, str]] = field(default_factory=lambda: defaultdict(dict))
    """The secrets of each app, `current` and `next`."""
    _turn: anyio.Lock = field(default_factory=anyio.Lock)
    _sandbox: httpx2.AsyncClient = field(
        default_factory=lambda: httpx2.AsyncClient(
            transport=httpx2.ASGITransport(create_sandbox()), base_url="http://localhost"
        )
    )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        slow = SLOW_SECONDS if self.random.random() < 0.1 else 0
        await anyio.sleep(slow * self.random.random())
        headers = {"authorization": request.headers["authorization"]}
        async with self._turn:
            answered = await self._sandbox.request(
                request.method, request.url.path, content=body, headers=headers
            )
            if answered.status_code == 200:
                self._remember(request, answered.json())
        await anyio.sleep(slow * self.random.random())
        response = Response(answered.content, answered.status_code, media_type="application/json")
        await response(scope, receive, send)

    def _remember(self, request: Request, answered: dict[str, Any]) -> None:
        client_id, _, act = request.url.path.removeprefix(APPS).strip("/").partition("/")
        app = answered.get("connected_app", {})
        if request.method == "POST" and not client_id:
            self._remember_new(app)
        elif tool := TOOLS.get((request.method, act)):
            self._remember_change(tool, client_id, app)

    def _remember_new(self, app: dict[str, Any]) -> None:
        self.changes.append(Change("create_app", app["client_name"]))
        self.urls[app["client_id"]] = []
        self.secrets[app["client_id"]]["current"] = app["client_secret"]

    def _remember_change(self, tool: str, client_id: str, app: dict[str, Any]) -> None:
        before = self.urls[client_id]
        added = set(app.get("redirect_urls", before)).difference(before)
        self.changes.extend(Change(tool, client_id, url) for url in added or {""})
        secrets = self.secrets[client_id]
        if tool == "delete_app":
            del self.urls[client_id], self.secrets[client_id]
        elif tool == "update_app":
            self.urls[client_id] = app["redirect_urls"]
        elif tool == "start_secret_rotation":
            secrets["next"] = app["next_client_secret"]
        else:
            ended = secrets.pop("next")
            if tool == "complete_secret_rotation":
                secrets["current"] = ended
