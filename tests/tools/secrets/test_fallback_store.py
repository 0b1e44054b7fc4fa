"""Two stores: the chosen one, and the fallback."""

import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from tools.secrets.faults import (
    CONFIDENTIAL,
    FaultyStore,
    SlowToRemove,
    Watched,
    rotating,
    stored_secret,
    storing,
)

from connected_apps_tools import errors
from connected_apps_tools.secrets.stores import PartlyListed, SecretKey
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage import threads
from connected_apps_tools.storage.errors import StoreError


@pytest.mark.parametrize(
    "faults",
    [
        {"put": StoreError("full")},
        {"put": ZeroDivisionError("a bug")},
        {"get": StoreError("gone")},
        {"lie": lambda: None},
    ],
    ids=["refuses", "breaks", "cannot be read", "lies"],
)
async def test_a_store_that_fails_at_the_last_moment_is_replaced_by_the_fallback(
    wire: Watched, tmp_path: Path, faults: dict[str, Any]
) -> None:
    fallback = FileStore(tmp_path / "fallback")
    store = FaultyStore(tmp_path / "s", **faults)
    async with storing(wire, tmp_path, store, fallback) as lifecycle:
        created = await lifecycle.create(CONFIDENTIAL)
        assert "fallback" in str(created.location)
        stored = fallback.get(SecretKey(lifecycle.api.project_id, created.app.client_id))
    assert stored
    assert stored.secret == created.secret


async def test_if_a_store_cannot_be_read_no_secret_counts_as_the_latest(
    wire: Watched, tmp_path: Path
) -> None:
    store, fallback = FaultyStore(tmp_path / "s"), FaultyStore(tmp_path / "fallback")
    async with storing(wire, tmp_path, store, fallback) as lifecycle:
        client_id = (await lifecycle.create(CONFIDENTIAL)).app.client_id
        fallback.faults["get"] = StoreError("gone")
        with pytest.raises(StoreError, match="gone"):
            await lifecycle.store.get(client_id)
        # The last four of the service identify a secret, so it need not be the latest.
        app = (await lifecycle.api.get(client_id)).connected_app
        assert await lifecycle.store.find(client_id, "current", app.client_secret_last_four)
        with pytest.raises(StoreError, match="gone"):
            await lifecycle.store.find(client_id, "current", "none")


async def test_an_earlier_secret_in_the_other_store_is_removed(
    wire: Watched, tmp_path: Path
) -> None:
    store, fallback = FaultyStore(tmp_path / "s"), FileStore(tmp_path / "fallback")
    async with storing(wire, tmp_path, store, fallback) as lifecycle:
        store.faults["put"] = StoreError("full")
        client_id, _ = await rotating(lifecycle)
        del store.faults["put"]
        await lifecycle.complete_rotation(client_id)
        assert await lifecycle.store.get(client_id)
    assert list((tmp_path / "fallback").glob("*.json")) == []


async def test_a_fallback_that_is_the_store_itself_keeps_what_it_took(
    wire: Watched, tmp_path: Path
) -> None:
    one, same = FaultyStore(tmp_path / "s"), FileStore(tmp_path / "s")
    async with storing(wire, tmp_path, one, same) as lifecycle:
        client_id = (await lifecycle.create(CONFIDENTIAL)).app.client_id
        assert await lifecycle.store.get(client_id)


async def test_a_damaged_copy_does_not_lose_the_good_one(wire: Watched, tmp_path: Path) -> None:
    store, fallback = FileStore(tmp_path / "s"), FileStore(tmp_path / "fallback")
    async with storing(wire, tmp_path, store, fallback) as lifecycle:
        client_id, upcoming = await rotating(lifecycle)
        await lifecycle.api.complete_rotation(client_id)  # from elsewhere
        (good,) = (tmp_path / "s").glob("*.next.json")
        fallback.check()
        (tmp_path / "fallback" / good.name).write_text("")
        await lifecycle.start_rotation(client_id, revealed=False)
        assert await stored_secret(lifecycle, client_id) == upcoming


async def test_an_unreachable_store_does_not_affect_the_other_one(
    wire: Watched, tmp_path: Path
) -> None:
    store, fallback = FaultyStore(tmp_path / "s"), FileStore(tmp_path / "fallback")
    async with storing(wire, tmp_path, store, fallback) as lifecycle:
        store.faults |= dict.fromkeys(["put", "entries", "remove"], StoreError("away"))
        client_id = (await lifecycle.create(CONFIDENTIAL)).app.client_id
        with pytest.raises(PartlyListed, match="away") as caught:
            await lifecycle.store.entries()
        assert [entry.client_id for entry in caught.value.entries] == [client_id]
        with pytest.raises(StoreError, match="away"):
            await lifecycle.store.remove(client_id)
    assert list((tmp_path / "fallback").glob("*.json")) == []


async def test_a_store_that_hangs_times_out(
    wire: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "STORE_SECONDS", 0.05)
    store = FaultyStore(tmp_path / "s", lie=lambda: time.sleep(0.3))
    async with storing(wire, tmp_path, store, FileStore(tmp_path / "fallback")) as lifecycle:
        created = await lifecycle.create(CONFIDENTIAL)
    assert "fallback" in str(created.location)


async def test_a_store_that_is_still_busy_with_a_secret_is_not_used_for_it(
    wire: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlowToRemove(tmp_path / "s")
    async with storing(wire, tmp_path, store, FileStore(tmp_path / "fallback")) as lifecycle:
        client_id, _ = await rotating(lifecycle)
        monkeypatch.setattr(threads, "STORE_SECONDS", 0.1)
        _, problem, _ = await lifecycle.cancel_rotation(client_id)
        assert problem
        with pytest.raises(errors.InvalidRequest, match="has not ended yet"):
            await lifecycle.start_rotation(client_id, revealed=False)
        await anyio.sleep(0.4)
        upcoming = await lifecycle.start_rotation(client_id, revealed=False)
        assert await stored_secret(lifecycle, client_id, "next") == upcoming.secret
