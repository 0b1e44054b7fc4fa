"""A secret that the service shows: stored before the result, or the call is undone."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support import comes_true
from tools.secrets.faults import (
    CONFIDENTIAL,
    CREATE,
    DELETE,
    GET,
    FaultyStore,
    Watched,
    alive,
    apps,
    drifting,
    journal,
    reported,
    storing,
)

from connected_apps_tools import CATALOGUE, ToolContext, errors
from connected_apps_tools.api.models import CreateAppRevealing
from connected_apps_tools.secrets.journal import Intent, Journal
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage import threads
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import FolderState

READING_FIRST = {
    "update_app": {"client_name": "Other"},
    "delete_app": {},
    "start_secret_rotation": {},
    "complete_secret_rotation": {},
    "cancel_secret_rotation": {},
}


async def test_a_created_secret_is_stored_and_valid(project: ToolContext, wire: Watched) -> None:
    created = await project.secrets.create(CONFIDENTIAL)
    stored = await project.secrets.store.get(created.app.client_id)
    assert stored
    assert await alive(wire, created.app.client_id, stored.secret.get_secret_value())
    assert stored.last_four == created.app.client_secret_last_four


async def test_the_result_says_where_the_secret_is_stored(
    project: ToolContext, tmp_path: Path
) -> None:
    created = await project.secrets.create(CONFIDENTIAL)
    assert created.location
    assert str(created.location).startswith(f"the file {tmp_path}")
    assert str(created.location).endswith(f"{created.app.client_id}.current.json")


async def test_the_journal_is_empty_after_a_create(project: ToolContext, tmp_path: Path) -> None:
    await project.secrets.create(CONFIDENTIAL)
    assert journal(tmp_path) == []


async def test_the_intent_is_on_the_disk_before_the_call_and_holds_no_secret(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    seen: list[str] = []
    secrets: list[str] = []

    def look(body: dict[str, Any]) -> httpx2.Response:
        seen.extend(journal(tmp_path))
        secrets.append(body["connected_app"]["client_secret"])
        return httpx2.Response(200, json=body)

    wire.after[CREATE] = look
    await project.secrets.create(CONFIDENTIAL)
    (intent,) = seen
    assert json.loads(intent)["act"] == "create_app"
    assert json.loads(intent)["client_name"] == "Mine"
    assert secrets[0] not in intent


async def test_nothing_is_sent_if_the_store_cannot_be_written(
    wire: Watched, tmp_path: Path
) -> None:
    store = FaultyStore(tmp_path / "s", check=StoreError("no space"))
    async with storing(wire, tmp_path, store) as lifecycle:
        with pytest.raises(errors.InvalidRequest, match=r"Nothing was sent: .* no space"):
            await lifecycle.create(CONFIDENTIAL)
    assert wire.calls == []


async def test_nothing_is_sent_if_the_journal_cannot_be_written(
    wire: Watched, tmp_path: Path
) -> None:
    (tmp_path / "journal").write_text("in the way")
    store = FileStore(tmp_path / "s")
    async with storing(wire, tmp_path, store) as lifecycle:
        with pytest.raises(errors.InvalidRequest, match="Nothing was sent"):
            await lifecycle.create(CONFIDENTIAL)
    assert wire.calls == []


async def test_without_a_store_a_create_has_to_reveal_the_secret(
    wire: Watched, tmp_path: Path
) -> None:
    async with storing(wire, tmp_path, None) as lifecycle:
        with pytest.raises(errors.InvalidRequest, match="secrets are not stored here"):
            await lifecycle.create(CONFIDENTIAL)
        assert wire.calls == []
        shown = await lifecycle.create(
            CreateAppRevealing(client_type="first_party", reveal_secret=True)
        )
    assert shown.secret
    assert shown.location is None


async def test_if_no_store_takes_the_secret_the_app_is_deleted_again(
    wire: Watched, tmp_path: Path
) -> None:
    store = FaultyStore(tmp_path / "s", put=StoreError("full"))
    async with storing(wire, tmp_path, store) as lifecycle:
        with pytest.raises(errors.SecretNotKept, match="deleted again, so nothing has changed"):
            await lifecycle.create(CONFIDENTIAL)
        assert await apps(lifecycle) == []
    assert journal(tmp_path) == []


async def test_if_no_store_takes_the_secret_the_rotation_is_cancelled_again(
    wire: Watched, tmp_path: Path
) -> None:
    store = FaultyStore(tmp_path / "s")
    async with storing(wire, tmp_path, store) as lifecycle:
        app = (await lifecycle.create(CONFIDENTIAL)).app
        store.faults["put"] = StoreError("full")
        with pytest.raises(errors.SecretNotKept, match="cancelled again"):
            await lifecycle.start_rotation(app.client_id, revealed=False)
        now = (await lifecycle.api.get(app.client_id)).connected_app
    assert now.next_client_secret_last_four is None


async def test_a_call_that_cannot_be_undone_is_reported_and_stays_in_the_journal(
    wire: Watched, tmp_path: Path
) -> None:
    wire.before[DELETE] = httpx2.ReadTimeout("late")
    store = FaultyStore(tmp_path / "s", put=StoreError("full"))
    async with storing(wire, tmp_path, store) as lifecycle:
        with pytest.raises(errors.SecretNotKept, match="secret without a known copy") as caught:
            await lifecycle.create(CONFIDENTIAL)
        (client_id,) = await apps(lifecycle)
        assert client_id in str(caught.value)
        (report,) = await reported(lifecycle)
    assert client_id in report


async def test_a_refused_call_leaves_nothing_behind(
    project: ToolContext, wire: Watched, tmp_path: Path
) -> None:
    wire.before[CREATE] = httpx2.ConnectError("refused")
    with pytest.raises(errors.NotSent):
        await project.secrets.create(CONFIDENTIAL)
    assert journal(tmp_path) == []
    assert await reported(project.secrets) == []


async def test_the_secrets_of_an_app_that_does_not_exist_are_removed(
    project: ToolContext,
) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    await project.api.delete(client_id)
    with pytest.raises(errors.NotFound):
        await project.secrets.delete(client_id)
    assert await project.secrets.store.entries() == []


async def test_a_page_of_a_proxy_removes_no_secret(project: ToolContext, wire: Watched) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    wire.before[DELETE] = httpx2.Response(404, html="<html>not here</html>")
    with pytest.raises(errors.UnexpectedAnswer):
        await project.secrets.delete(client_id)
    assert await project.secrets.store.get(client_id)


@pytest.mark.parametrize("name", READING_FIRST)
async def test_an_app_with_another_spelling_is_not_changed(
    project: ToolContext, wire: Watched, name: str
) -> None:
    client_id = (await project.secrets.create(CONFIDENTIAL)).app.client_id
    wire.after[GET] = drifting(client_id=client_id.upper())
    (tool,) = (tool for tool in CATALOGUE if tool.name == name)
    before = len(wire.calls)
    with pytest.raises(errors.UnexpectedAnswer, match="for another app"):
        await tool(project, tool.read({"client_id": client_id, **READING_FIRST[name]}))
    assert wire.calls[before:] == [GET]


class Stuck(Journal):
    """A journal on a disk that is stuck for a while."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FolderState(folder).records("journal"))
        self.goes_on, self.recorded = threading.Event(), threading.Event()

    def record(self, intent: Intent) -> None:
        self.goes_on.wait()
        super().record(intent)
        self.recorded.set()


async def test_an_intent_that_is_recorded_too_late_does_not_stay(
    project: ToolContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Stuck(tmp_path)
    async with SecretLifecycle(project.api, stuck, project.secrets.store) as secrets:
        with monkeypatch.context() as short:
            short.setattr(threads, "STORE_SECONDS", 1)
            with pytest.raises(errors.InvalidRequest, match="the intent could not be recorded"):
                await secrets.create(CONFIDENTIAL)
        stuck.goes_on.set()
        assert stuck.recorded.wait(timeout=100)
        assert comes_true(lambda: journal(tmp_path) == [])
