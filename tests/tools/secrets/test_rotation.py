"""The stored secrets while a rotation starts, completes or is cancelled."""

from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from tools.secrets.faults import (
    COMPLETE,
    CONFIDENTIAL,
    GET,
    FaultyStore,
    Watched,
    assert_stored_and_valid,
    journal,
    reported,
    rotating,
    stored_secret,
    storing,
)

from connected_apps_tools import ToolContext, errors
from connected_apps_tools.secrets import journal as journal_module
from connected_apps_tools.storage.errors import StoreError


async def test_a_completed_rotation_makes_the_stored_next_secret_the_current_one(
    project: ToolContext, wire: Watched
) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    upcoming = (await project.secrets.start_rotation(client_id, revealed=False)).secret
    await project.secrets.complete_rotation(client_id)
    assert await stored_secret(project.secrets, client_id) == upcoming
    assert await project.secrets.store.get(client_id, "next") is None
    await assert_stored_and_valid(project.secrets, wire, client_id)


async def test_a_completion_with_an_unknown_outcome_is_checked_at_once(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    client_id, upcoming = await rotating(project.secrets)
    wire.after[COMPLETE] = httpx2.ReadError("reset")
    app, is_stored, _ = await project.secrets.complete_rotation(client_id)
    assert is_stored
    assert app.next_client_secret_last_four is None
    assert await stored_secret(project.secrets, client_id) == upcoming
    assert journal(tmp_path) == []


async def test_a_completion_without_effect_fails(project: ToolContext, wire: Watched) -> None:
    client_id, upcoming = await rotating(project.secrets)
    wire.before[COMPLETE] = httpx2.ReadError("reset")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.complete_rotation(client_id)
    assert await stored_secret(project.secrets, client_id, "next") == upcoming


async def test_a_completion_that_cannot_be_checked_is_fixed_later(
    project: ToolContext, wire: Watched
) -> None:
    client_id, upcoming = await rotating(project.secrets)
    wire.after |= {COMPLETE: httpx2.ReadError("reset"), GET: httpx2.ReadError("reset")}
    with pytest.raises(errors.NoAnswer):
        await project.secrets.complete_rotation(client_id)
    del wire.after[GET]
    assert await reported(project.secrets) == []
    assert await stored_secret(project.secrets, client_id) == upcoming


async def test_a_completion_that_may_still_take_effect_stays_in_the_journal(
    project: ToolContext, wire: Watched
) -> None:
    client_id, upcoming = await rotating(project.secrets)
    wire.before[COMPLETE] = httpx2.ReadError("reset")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.complete_rotation(client_id)
    (report,) = await reported(project.secrets)
    assert "may still take effect" in report
    del wire.before[COMPLETE]
    await project.api.complete_rotation(client_id)  # the service, a moment later
    assert await reported(project.secrets) == []
    assert await stored_secret(project.secrets, client_id) == upcoming


async def test_a_completion_that_never_took_effect_is_no_loss(
    project: ToolContext, wire: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client_id, _ = await rotating(project.secrets)
    await project.secrets.store.remove(client_id, "current")
    wire.before[COMPLETE] = httpx2.ReadError("reset")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.complete_rotation(client_id)
    monkeypatch.setattr(journal_module, "RECENT", timedelta(0))
    assert await reported(project.secrets) == []
    assert journal(tmp_path) == []


async def test_a_completed_secret_is_promoted_although_another_rotation_has_started(
    project: ToolContext, wire: Watched
) -> None:
    client_id, upcoming = await rotating(project.secrets)
    wire.after |= {COMPLETE: httpx2.ReadError("reset"), GET: httpx2.ReadError("reset")}
    with pytest.raises(errors.NoAnswer):
        await project.secrets.complete_rotation(client_id)
    wire.after.clear()
    await project.api.start_rotation(client_id)  # from elsewhere
    await reported(project.secrets)
    assert await stored_secret(project.secrets, client_id) == upcoming


async def test_a_completed_secret_that_is_not_stored_yet_survives_the_next_rotation(
    wire: Watched, tmp_path: Path
) -> None:
    store = FaultyStore(tmp_path / "s")
    async with storing(wire, tmp_path, store) as lifecycle:
        client_id, upcoming = await rotating(lifecycle)
        store.faults["put"] = StoreError("full")
        await lifecycle.complete_rotation(client_id)
        with pytest.raises(errors.InvalidRequest, match="no store took"):
            await lifecycle.start_rotation(client_id, revealed=False)
        del store.faults["put"]
        await lifecycle.start_rotation(client_id, revealed=False)
        assert await stored_secret(lifecycle, client_id) == upcoming


async def test_a_completed_secret_that_is_not_stored_yet_survives_a_cancelled_rotation(
    wire: Watched, tmp_path: Path
) -> None:
    store = FaultyStore(tmp_path / "s")
    async with storing(wire, tmp_path, store) as lifecycle:
        client_id, upcoming = await rotating(lifecycle)
        store.faults["put"] = StoreError("full")
        _, is_stored, _ = await lifecycle.complete_rotation(client_id)
        assert not is_stored
        assert await reported(lifecycle)
        del store.faults["put"]
        await lifecycle.api.start_rotation(client_id)  # from elsewhere
        await lifecycle.cancel_rotation(client_id)
        assert await stored_secret(lifecycle, client_id) == upcoming


async def test_an_invalid_secret_that_a_forced_completion_could_not_remove_is_removed_later(
    wire: Watched, tmp_path: Path
) -> None:
    store = FaultyStore(tmp_path / "s")
    async with storing(wire, tmp_path, store) as lifecycle:
        client_id = (await lifecycle.create(CONFIDENTIAL)).app.client_id
        await lifecycle.api.start_rotation(client_id)
        store.faults["get"] = StoreError("away")
        _, stored, _ = await lifecycle.complete_rotation(client_id, forced=True)
        assert not stored
        assert len(journal(tmp_path)) == 1
        del store.faults["get"]
        assert await reported(lifecycle) == []
        assert await lifecycle.store.entries() == []
    assert journal(tmp_path) == []


@pytest.mark.parametrize("forced", [True, False])
async def test_a_forced_completion_that_never_took_effect_removes_nothing(
    project: ToolContext, wire: Watched, forced: bool
) -> None:
    client_id, _ = await rotating(project.secrets)
    wire.before[COMPLETE] = httpx2.ReadError("reset")
    with pytest.raises(errors.NoAnswer):
        await project.secrets.complete_rotation(client_id, forced=forced)
    await reported(project.secrets)
    assert len(await project.secrets.store.entries()) == 2


async def test_a_damaged_secret_is_replaced_by_a_rotation(
    project: ToolContext, tmp_path: Path
) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    (file,) = (tmp_path / "secrets").glob("*.json")
    file.write_text("")
    upcoming = (await project.secrets.start_rotation(client_id, revealed=False)).secret
    await project.secrets.complete_rotation(client_id)
    assert await stored_secret(project.secrets, client_id) == upcoming
