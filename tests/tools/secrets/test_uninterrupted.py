"""Work on secrets that outlives its caller."""

import json
from pathlib import Path

import anyio
import pytest
from tools.secrets.faults import CONFIDENTIAL, CREATE, Slow, Watched, journal, storing

from connected_apps_tools import errors
from connected_apps_tools.api.models import CreateAppRevealing
from connected_apps_tools.secrets import uninterrupted
from connected_apps_tools.secrets.stores.files import FileStore


async def test_without_a_store_a_cancelled_caller_leaves_the_intent(
    tmp_path: Path,
) -> None:
    request = CreateAppRevealing(client_type="first_party", reveal_secret=True)
    async with storing(Slow(), tmp_path, None) as lifecycle:
        with anyio.move_on_after(0.1):
            await lifecycle.create(request)
    async with storing(Watched(), tmp_path, None) as lifecycle:
        assert len(lifecycle.journal.abandoned()[0]) == 1


async def test_a_cancelled_caller_does_not_interrupt_a_create(tmp_path: Path) -> None:
    async with storing(Slow(), tmp_path, FileStore(tmp_path / "s")) as lifecycle:
        with anyio.move_on_after(0.1) as scope:
            await lifecycle.create(CONFIDENTIAL)
        assert scope.cancelled_caught
        assert await lifecycle.store.entries() == []
    # Leaving the lifecycle has waited for it.
    (file,) = (tmp_path / "s").glob("*.json")
    assert json.loads(file.read_text())["which"] == "current"
    assert journal(tmp_path) == []


async def test_a_cancelled_caller_leaves_no_secret_of_a_deleted_app(tmp_path: Path) -> None:
    async with storing(Slow(), tmp_path, FileStore(tmp_path / "s")) as lifecycle:
        client_id = (await lifecycle.create(CONFIDENTIAL)).app.client_id
        with anyio.move_on_after(0.1) as scope:
            await lifecycle.delete(client_id)
    assert scope.cancelled_caught
    assert list((tmp_path / "s").glob("*.json")) == []


async def test_callers_that_go_away_leave_no_more_work_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uninterrupted, "MAX_UNDER_WAY", 2)
    wire = Slow()
    async with storing(wire, tmp_path, FileStore(tmp_path / "s")) as lifecycle:
        for _ in range(2):
            with anyio.move_on_after(0.1):
                await lifecycle.create(CONFIDENTIAL)
        with pytest.raises(errors.InvalidRequest, match="too many changes of secrets") as caught:
            await lifecycle.create(CONFIDENTIAL)
    assert caught.value.transient
    assert wire.calls.count(CREATE) == 2
    async with storing(wire, tmp_path, FileStore(tmp_path / "s")) as lifecycle:
        await lifecycle.create(CONFIDENTIAL)
