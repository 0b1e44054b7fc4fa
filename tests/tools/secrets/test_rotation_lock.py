"""One call at a time rotates, of all processes of the user."""

import time
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from tools.secrets.faults import (
    CONFIDENTIAL,
    SlowToRemove,
    Watched,
    rotating,
    stored_secret,
    storing,
)

from connected_apps_tools import ToolContext, errors
from connected_apps_tools.secrets.journal import Journal
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage import threads
from connected_apps_tools.storage.records import FolderState, Lock


async def test_a_cancellation_does_not_remove_what_another_process_has_just_stored(
    wire: Watched, tmp_path: Path
) -> None:
    store, slow = FileStore(tmp_path / "s"), SlowToRemove(tmp_path / "s")
    async with storing(wire, tmp_path, store) as one, storing(wire, tmp_path, slow) as two:
        client_id, _ = await rotating(one)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(two.cancel_rotation, client_id)
            await anyio.sleep(0.1)
            upcoming = (await one.start_rotation(client_id, revealed=False)).secret
        assert await stored_secret(one, client_id, "next") == upcoming


async def test_waiting_for_the_rotation_lock_times_out(
    project: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connected_apps_tools.secrets import lifecycle as module

    monkeypatch.setattr(module, "ROTATION_LOCK_SECONDS", 0.1)
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    lock = project.secrets.journal.try_rotation_lock()
    assert lock is not None
    with pytest.raises(errors.InvalidRequest, match="another rotation has not ended"):
        await project.secrets.start_rotation(client_id, revealed=False)
    lock.close()
    await project.secrets.start_rotation(client_id, revealed=False)


async def test_a_caller_that_is_cancelled_before_it_has_the_lock_has_changed_nothing(
    project: ToolContext, wire: Watched
) -> None:
    client_id, _ = await rotating(project.secrets)
    lock = project.secrets.journal.try_rotation_lock()
    assert lock is not None
    wire.calls.clear()
    with anyio.move_on_after(0.1) as scope:
        await project.secrets.complete_rotation(client_id)
    lock.close()
    await anyio.sleep(0.2)
    assert scope.cancelled_caught
    assert wire.calls == []


class SlowToLock(Journal):
    """A journal on a slow disk."""

    def try_rotation_lock(self) -> Lock | None:
        time.sleep(0.2)
        return super().try_rotation_lock()


@pytest.mark.parametrize("patience", [0.05, 30], ids=["it takes too long", "the caller goes away"])
async def test_a_lock_that_comes_too_late_is_released(
    project: ToolContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(threads, "STORE_SECONDS", patience)
    slow = SlowToLock(FolderState(tmp_path).records("journal"))
    async with SecretLifecycle(project.api, slow, project.secrets.store) as lifecycle:
        with anyio.move_on_after(0.1), suppress(errors.InvalidRequest):
            await lifecycle.cancel_rotation("app")
    await anyio.sleep(0.3)
    lock = project.secrets.journal.try_rotation_lock()
    assert lock is not None
    lock.close()


async def test_a_lock_is_released_if_the_work_cannot_start(
    project: ToolContext, tmp_path: Path
) -> None:
    closed = SecretLifecycle(
        project.api, Journal(FolderState(tmp_path).records("journal")), project.secrets.store
    )
    with pytest.raises(RuntimeError):
        await closed.cancel_rotation("app")
    lock = project.secrets.journal.try_rotation_lock()
    assert lock is not None
    lock.close()


async def test_a_journal_that_cannot_lock_refuses_the_rotation(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    client_id, _ = await rotating(project.secrets)
    wire.calls.clear()
    (tmp_path / "journal").chmod(0o755)
    for act in (project.secrets.cancel_rotation, project.secrets.complete_rotation):
        with pytest.raises(errors.InvalidRequest, match=r"another rotation may be.*chmod 700"):
            await act(client_id)
    (tmp_path / "journal").chmod(0o700)
    assert wire.calls == []
