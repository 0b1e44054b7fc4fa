"""Sandboxes on one file share their state, in one process and in several."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connected_apps_mcp.sandbox import SandboxCredentials, create_sandbox

Connect = Callable[..., Awaitable[httpx2.AsyncClient]]
Create = Callable[..., Awaitable[dict[str, Any]]]

CREATE_MANY = """
import asyncio, sys
import httpx2
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS as ours, create_sandbox

async def main():
    transport = httpx2.ASGITransport(app=create_sandbox(database=sys.argv[1]))
    auth = (ours.project_id, ours.secret)
    async with httpx2.AsyncClient(transport=transport, base_url="http://s", auth=auth) as client:
        for _ in range(int(sys.argv[2])):
            body = {"client_type": "first_party"}
            response = await client.post("/v1/connected_apps/clients", json=body)
            response.raise_for_status()
            print(response.json()["connected_app"]["client_id"])

asyncio.run(main())
"""


async def found_ids(client: httpx2.AsyncClient) -> list[str]:
    page = (await client.post("/connected_apps/clients/search", json={"limit": 1000})).json()
    return [app["client_id"] for app in page["connected_apps"]]


async def test_two_sandboxes_on_one_file_share_apps(
    connect: Connect, create: Create, tmp_path: Path
) -> None:
    one, two = [
        await connect(create_sandbox(database=tmp_path / "sandbox.sqlite3")) for _ in range(2)
    ]
    app = await create(one)
    assert await found_ids(two) == [app["client_id"]]


async def test_two_sandboxes_on_one_file_share_secrets(
    connect: Connect,
    create: Create,
    is_alive: Callable[..., Awaitable[bool]],
    tmp_path: Path,
) -> None:
    one, two = [
        await connect(create_sandbox(database=tmp_path / "sandbox.sqlite3")) for _ in range(2)
    ]
    app = await create(one)
    assert await is_alive(two, app["client_id"], app["client_secret"])


async def test_two_sandboxes_in_memory_share_nothing(connect: Connect, create: Create) -> None:
    one, two = [await connect(create_sandbox()) for _ in range(2)]
    await create(one)
    assert await found_ids(two) == []


async def test_two_projects_on_one_file_do_not_see_each_other(
    connect: Connect, create: Create, tmp_path: Path
) -> None:
    database = tmp_path / "sandbox.sqlite3"
    other = SandboxCredentials("project-test-other", "secret-test-other")
    app = await create(await connect(create_sandbox(database=database)))
    stranger = await connect(create_sandbox(other, database=database), other)
    assert await found_ids(stranger) == []
    response = await stranger.get(f"/connected_apps/clients/{app['client_id']}")
    assert response.json()["error_type"] == "connected_app_not_found"


async def test_a_file_outlives_its_sandbox(
    connect: Connect, create: Create, tmp_path: Path
) -> None:
    database = tmp_path / "sandbox.sqlite3"
    app = await create(await connect(create_sandbox(database=database)))
    gc.collect()
    assert await found_ids(await connect(create_sandbox(database=database))) == [app["client_id"]]


async def test_processes_that_start_at_once_on_a_new_file_lose_no_app(
    connect: Connect, tmp_path: Path
) -> None:
    database = tmp_path / "sandbox.sqlite3"
    command = [sys.executable, "-W", "error", "-c", CREATE_MANY, str(database), "20"]
    processes = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE) for _ in range(3)
    ]
    outputs = [(await process.communicate())[0].decode() for process in processes]
    created = "".join(outputs).split()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(created) == 60
    found = await found_ids(await connect(create_sandbox(database=database)))
    assert sorted(found) == sorted(created)


async def test_concurrent_requests_lose_no_app(client: httpx2.AsyncClient, create: Create) -> None:
    created = await asyncio.gather(*(create(client) for _ in range(30)))
    assert sorted(await found_ids(client)) == sorted(app["client_id"] for app in created)


async def test_concurrent_updates_of_different_fields_all_take_effect(
    client: httpx2.AsyncClient, create: Create
) -> None:
    path = f"/connected_apps/clients/{(await create(client))['client_id']}"
    changes = {"client_name": "a", "client_description": "b", "logo_url": "c"}
    await asyncio.gather(*(client.put(path, json={k: v}) for k, v in changes.items()))
    app = (await client.get(path)).json()["connected_app"]
    assert changes.items() <= app.items()


async def test_the_cap_counts_the_apps_of_all_sandboxes_on_the_file(
    connect: Connect, create: Create, tmp_path: Path
) -> None:
    one, two = [
        await connect(create_sandbox(database=tmp_path / "sandbox.sqlite3", max_apps=1))
        for _ in range(2)
    ]
    await create(one)
    response = await two.post("/connected_apps/clients", json={"client_type": "first_party"})
    assert response.json()["error_type"] == "too_many_connected_apps"


def test_a_file_that_is_not_a_database_is_refused_at_once(tmp_path: Path) -> None:
    database = tmp_path / "sandbox.sqlite3"
    database.write_text("not a database, but long enough to look like one" * 50)
    with pytest.raises(sqlite3.DatabaseError):
        create_sandbox(database=database)


async def test_a_file_damaged_later_is_an_internal_error_in_the_envelope(
    connect: Connect, tmp_path: Path
) -> None:
    database = tmp_path / "sandbox.sqlite3"
    client = await connect(create_sandbox(database=database))
    database.write_text("not a database, but long enough to look like one" * 500)
    response = await client.post("/connected_apps/clients/search", json={})
    assert response.status_code == 500
    assert response.json()["error_type"] == "internal_server_error"
    assert "sqlite" not in response.text.lower()
    assert "database" not in response.text.lower()
