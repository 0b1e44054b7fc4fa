"""A lifecycle of secrets on the sandbox, with faults in the store and on the wire."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from support import project_on

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools import ToolContext, errors
from connected_apps_tools.api.models import CreateApp, PageOfApps
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.secrets.recovery import recover
from connected_apps_tools.secrets.stores import SecretKey, StoredEntry, StoredSecret
from connected_apps_tools.secrets.stores.base import Which
from connected_apps_tools.secrets.stores.files import FileStore

CONFIDENTIAL = CreateApp(client_type="first_party", client_name="Mine")


class FaultyStore:
    """A file store with faults: it fails or lies."""

    kind = "faulty"
    where = "a faulty folder"

    def __init__(self, folder: Path, **faults: Exception | Callable[[], Any]) -> None:
        self._files = FileStore(folder)
        self.faults = faults

    def _meet(self, act: str) -> None:
        fault = self.faults.get(act)
        if isinstance(fault, Exception):
            raise fault

    def location(self, key: SecretKey) -> str:
        return self._files.location(key)

    def check(self) -> None:
        self._meet("check")
        self._files.check()

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        self._meet("put")
        self._files.put(key, secret)

    def get(self, key: SecretKey) -> StoredSecret | None:
        self._meet("get")
        if lie := self.faults.get("lie"):
            return lie()  # type: ignore[operator, no-any-return]
        return self._files.get(key)

    def remove(self, key: SecretKey) -> None:
        self._meet("remove")
        self._files.remove(key)

    def entries(self, project_id: str) -> list[StoredEntry]:
        self._meet("entries")
        return self._files.entries(project_id)


class Watched(httpx2.AsyncBaseTransport):
    """The sandbox behind a transport that records the calls and can fail."""

    def __init__(self) -> None:
        self.sandbox = httpx2.ASGITransport(create_sandbox())
        self.calls: list[str] = []
        self.before: dict[str, Exception | httpx2.Response] = {}
        self.after: dict[str, Exception | Callable[[dict[str, Any]], httpx2.Response]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        call = f"{request.method} {request.url.path.rpartition('/')[2].split('-')[0]}"
        self.calls.append(call)
        instead = self.before.get(call)
        if isinstance(instead, Exception):
            raise instead
        if instead is not None:
            return instead
        response = await self.sandbox.handle_async_request(request)
        fault = self.after.get(call)
        if isinstance(fault, Exception):
            raise fault
        if fault:
            return fault(json.loads(await response.aread()))
        return response


class Slow(Watched):
    """The same with slow responses."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep(0.2)
        return await super().handle_async_request(request)


CREATE, GET, DELETE = "POST clients", "GET connected", "DELETE connected"
START, COMPLETE = "POST start", "POST rotate"


@asynccontextmanager
async def storing(wire: Watched, folder: Path, *stores: Any) -> AsyncIterator[SecretLifecycle]:
    """A lifecycle with these stores."""
    async with project_on(wire, *stores, folder=folder) as project:
        yield project.secrets


async def alive(wire: Watched, client_id: str, secret: str) -> bool:
    """Whether a secret is valid at the service."""
    async with httpx2.AsyncClient(transport=wire.sandbox, base_url="http://localhost") as http:
        asked = await http.post(
            "/v1/oauth2/introspect", data={"token": "x"}, auth=(client_id, secret)
        )
    return asked.status_code == 200


async def reported(lifecycle: SecretLifecycle) -> list[str]:
    """The reports of recovery for people."""
    return [report.for_people for report in await recover(lifecycle)]


async def apps(lifecycle: SecretLifecycle) -> list[str]:
    """The ids of all apps."""
    found = await lifecycle.api.search(PageOfApps())
    return [app.client_id for app in found.connected_apps]


def journal(folder: Path) -> list[str]:
    """The intents in the journal."""
    return [file.read_text() for file in (folder / "journal").glob("[!.]*") if file.is_file()]


def drifting(**fields: Any) -> Callable[[dict[str, Any]], httpx2.Response]:
    """A response with other fields of the app; None removes a field."""

    def drift(body: dict[str, Any]) -> httpx2.Response:
        app = body["connected_app"] | fields
        app = {name: value for name, value in app.items() if value is not None}
        return httpx2.Response(200, json=body | {"connected_app": app})

    return drift


async def rotating(lifecycle: SecretLifecycle) -> tuple[str, SecretStr | None]:
    """An app with a stored next secret."""
    client_id = (await lifecycle.create(CONFIDENTIAL)).app.client_id
    return client_id, (await lifecycle.start_rotation(client_id, revealed=False)).secret


class SlowToRemove(FaultyStore):
    """A store that is slow to remove."""

    def remove(self, key: SecretKey) -> None:
        time.sleep(0.3)
        super().remove(key)


async def lost_create(project: ToolContext, wire: Watched, name: str = "Mine") -> None:
    """A create without a response."""
    wire.after[CREATE] = httpx2.ReadTimeout("late")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.create(CreateApp(client_type="first_party", client_name=name))
    del wire.after[CREATE]


async def stored_secret(
    lifecycle: SecretLifecycle, client_id: str, which: Which = "current"
) -> SecretStr:
    """The stored secret of an app."""
    stored = await lifecycle.store.get(client_id, which)
    assert stored
    return stored.secret


async def assert_stored_and_valid(
    lifecycle: SecretLifecycle, wire: Watched, client_id: str, which: Which = "current"
) -> None:
    """A secret of an app is stored, and valid at the service."""
    secret = await stored_secret(lifecycle, client_id, which)
    assert await alive(wire, client_id, secret.get_secret_value())
