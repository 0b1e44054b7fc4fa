"""Pages stay correct while apps come and go."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

Create = Callable[..., Awaitable[dict[str, Any]]]


async def search(client: httpx2.AsyncClient, **request: object) -> dict[str, Any]:
    response = await client.post("/connected_apps/clients/search", json=request)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def pages(client: httpx2.AsyncClient, limit: int) -> AsyncIterator[list[str]]:
    cursor: str | None = ""
    while cursor is not None:
        page = await search(client, cursor=cursor, limit=limit)
        yield [app["client_id"] for app in page["connected_apps"]]
        cursor = page["results_metadata"]["next_cursor"]


async def ids_of_new_apps(client: httpx2.AsyncClient, create: Create, count: int) -> list[str]:
    return [(await create(client))["client_id"] for _ in range(count)]


async def delete(client: httpx2.AsyncClient, client_id: str) -> None:
    assert (await client.delete(f"/connected_apps/clients/{client_id}")).status_code == 200


async def test_an_empty_project_has_one_empty_page(client: httpx2.AsyncClient) -> None:
    page = await search(client)
    assert page["connected_apps"] == []
    assert page["results_metadata"] == {"total": 0, "next_cursor": None}


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
async def test_pages_have_every_app_once_in_the_order_of_creation(
    client: httpx2.AsyncClient, create: Create, limit: int
) -> None:
    created = await ids_of_new_apps(client, create, 6)
    found = [page async for page in pages(client, limit)]
    assert [client_id for page in found for client_id in page] == created
    assert all(len(page) == limit for page in found[:-1])


async def test_a_page_has_a_hundred_apps_by_default(
    client: httpx2.AsyncClient, create: Create
) -> None:
    await ids_of_new_apps(client, create, 101)
    page = await search(client)
    assert len(page["connected_apps"]) == 100
    assert page["results_metadata"]["total"] == 101


async def test_a_limit_of_zero_counts_without_listing(
    client: httpx2.AsyncClient, create: Create
) -> None:
    await create(client)
    page = await search(client, limit=0)
    assert page["connected_apps"] == []
    assert page["results_metadata"] == {"total": 1, "next_cursor": None}


async def test_deleting_between_pages_hides_no_other_app(
    client: httpx2.AsyncClient, create: Create
) -> None:
    created = await ids_of_new_apps(client, create, 6)
    found = []
    async for page in pages(client, 2):
        found += page
        await delete(client, page[0])
    assert found == created


async def test_deleting_the_app_at_a_cursor_is_harmless(
    client: httpx2.AsyncClient, create: Create
) -> None:
    created = await ids_of_new_apps(client, create, 4)
    found = []
    async for page in pages(client, 2):
        found += page
        await delete(client, page[-1])
    assert found == created


async def test_creating_between_pages_repeats_and_skips_no_app(
    client: httpx2.AsyncClient, create: Create
) -> None:
    created = await ids_of_new_apps(client, create, 6)
    found: list[str] = []
    async for page in pages(client, 3):
        found += page
        if len(found) == 3:
            created += await ids_of_new_apps(client, create, 2)
    assert found == created


async def test_a_new_app_does_not_get_the_position_of_a_deleted_one(
    client: httpx2.AsyncClient, create: Create
) -> None:
    created = await ids_of_new_apps(client, create, 2)
    cursor = (await search(client, limit=1))["results_metadata"]["next_cursor"]
    await delete(client, created[1])
    replacement = (await create(client))["client_id"]
    page = await search(client, cursor=cursor)
    assert [app["client_id"] for app in page["connected_apps"]] == [replacement]


def forged(mark: bytes, position: int) -> str:
    return base64.urlsafe_b64encode(mark + position.to_bytes(8, "big", signed=True)).decode()


@pytest.mark.parametrize(
    "cursor",
    ["bad", "é", "====", "A" * 16, forged(b"else", 1), forged(b"page", 1) + "\n", "x" * 5000],
)
async def test_a_cursor_that_no_search_returned_is_refused(
    client: httpx2.AsyncClient, cursor: str
) -> None:
    response = await client.post("/connected_apps/clients/search", json={"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["error_type"] == "invalid_request_value"


@pytest.mark.parametrize("limit", [-1, 1001, "10", 1.5, True, None])
async def test_a_limit_out_of_bounds_is_refused(client: httpx2.AsyncClient, limit: object) -> None:
    response = await client.post("/connected_apps/clients/search", json={"limit": limit})
    assert response.status_code == 400
    assert response.json()["error_type"] == "invalid_request_value"
