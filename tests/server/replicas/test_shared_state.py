"""Servers on several machines keep each promise through one database."""

import os
import re
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from postgres import end_sessions_with_locks, grow_old, running_server
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from support import (
    SERVER,
    answer,
    begin_a_create,
    comes_true,
    project_on,
    refusal,
    running,
    serving,
)

from connected_apps_mcp.commands.serve import losses
from connected_apps_mcp.confirmation.approvals import KIND, Approvals
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.settings import PROJECT_ID, SECRET, SettingsError
from connected_apps_mcp.wiring import open_project
from connected_apps_tools import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.secrets import lifecycle
from connected_apps_tools.secrets.journal import Intent
from connected_apps_tools.storage import threads
from connected_apps_tools.storage.postgres.schema import migrate
from connected_apps_tools.storage.postgres.state import DatabaseState
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.text.redaction import REDACTOR

MINE = {"client_type": "first_party", "client_name": "Mine"}
VARIABLE = "CONNECTED_APPS_MCP_DATABASE_URL"


class Service(httpx2.AsyncBaseTransport):
    """The sandbox, which takes its time and remembers the changes."""

    def __init__(self) -> None:
        self.sandbox = httpx2.ASGITransport(create_sandbox())
        self.changes: list[str] = []
        self.before_answer: Callable[[], object] = lambda: None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep(0.02)
        if request.method == "GET":
            self.before_answer()
        else:
            self.changes.append(request.method)
        return await self.sandbox.handle_async_request(request)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def state(database_url: str) -> Iterator[DatabaseState]:
    """The state, as one more process has it."""
    state = DatabaseState(database_url)
    yield state
    state.close()


@pytest.fixture
async def projects(
    service: Service, database_url: str, tmp_path: Path
) -> AsyncIterator[list[ToolContext]]:
    """The project, as each of three servers has it."""
    async with AsyncExitStack() as opened:
        projects = []
        for _ in range(3):
            state = DatabaseState(database_url)
            opened.callback(state.close)
            project = project_on(service, folder=tmp_path, state=state)
            projects.append(await opened.enter_async_context(project))
        yield projects


@pytest.fixture
async def clients(projects: list[ToolContext]) -> AsyncIterator[list[Client]]:
    """A client of each server."""
    async with AsyncExitStack() as connected:
        yield [
            await connected.enter_async_context(Client(build_server(project)))
            for project in projects
        ]


def approve_in_a_pipe(folder: Path, url: str) -> str:
    """What `approve` shows where it cannot ask."""
    command = [*SERVER, "approve", "--sandbox", "--data-dir", str(folder)]
    environment = os.environ | {VARIABLE: url}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    ).stdout


async def test_servers_that_edit_one_app_at_once_lose_no_edit(clients: list[Client]) -> None:
    app = answer(await clients[0].call_tool("create_app", MINE))["app"]["client_id"]
    urls = [f"https://{number}.example/cb" for number in range(9)]

    async def add(client: Client, url: str) -> None:
        arguments = {"client_id": app, "add_redirect_urls": [url]}
        answer(await client.call_tool("update_app", arguments))

    async with anyio.create_task_group() as calls:
        for number, url in enumerate(urls):
            calls.start_soon(add, clients[number % 3], url)
    shown = answer(await clients[0].call_tool("get_app", {"client_id": app}))
    assert sorted(shown["app"]["redirect_urls"]) == urls


async def test_a_change_is_not_sent_after_its_lock_was_lost(
    clients: list[Client], service: Service, state: DatabaseState
) -> None:
    app = answer(await clients[0].call_tool("create_app", MINE))["app"]["client_id"]
    service.changes.clear()
    service.before_answer = lambda: end_sessions_with_locks(state)
    change = {"client_id": app, "client_name": "Other"}
    refused = refusal(await clients[0].call_tool("update_app", change))
    assert "The request was not sent: the lock of this change was lost" in str(refused)
    assert service.changes == []
    service.before_answer = lambda: None
    answer(await clients[0].call_tool("update_app", change))


async def test_one_server_at_a_time_rotates(
    projects: list[ToolContext], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "ROTATION_LOCK_SECONDS", 0.1)
    with await projects[0].secrets.rotation_lock():
        service.changes.clear()
        with pytest.raises(InvalidRequest, match="another rotation has not ended"):
            await projects[1].secrets.cancel_rotation("app")
    assert service.changes == []


async def test_a_rotation_goes_through_any_server(clients: list[Client]) -> None:
    app = answer(await clients[0].call_tool("create_app", MINE))["app"]["client_id"]
    answer(await clients[1].call_tool("start_secret_rotation", {"client_id": app}))
    answer(await clients[2].call_tool("complete_secret_rotation", {"client_id": app}))


def test_of_many_uses_of_an_answer_one_counts(database_url: str) -> None:
    states = [DatabaseState(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        uses = list(
            threads.map(
                lambda state: Approvals(state.records(KIND)).use_answer("an-answer"), states
            )
        )
    assert sorted(uses) == [False, False, False, True]
    for each in states:
        each.close()


async def test_a_call_of_any_server_is_approved_from_any_machine_and_once(
    projects: list[ToolContext], state: DatabaseState, database_url: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as connected:
        one, two, _ = [
            await connected.enter_async_context(Client(build_server(project, confirm="always")))
            for project in projects
        ]
        app = answer(await one.call_tool("create_app", MINE))["app"]["client_id"]
        call = ("delete_app", {"client_id": app})
        assert "approve" in str(refusal(await one.call_tool(*call)))
        approvals = Approvals(state.records(KIND))
        (pending,) = approvals
        assert "delete_app, refused at" in approve_in_a_pipe(tmp_path, database_url)
        approvals.approve(pending)
        answer(await two.call_tool(*call))
        assert list(approvals) == []


async def test_what_an_ended_server_left_is_reported_by_another_one_once(
    projects: list[ToolContext],
    state: DatabaseState,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(losses, "PAUSE_SECONDS", (0.01, 0.02))
    project_id = projects[0].api.project_id
    intent = Intent(act="create_app", project_id=project_id, client_name="Lost")
    ended = DatabaseState(database_url)
    ended.records("journal").hold(intent.id, intent.model_dump_json())
    async with losses.reported_losses(projects[0], regularly=True) as reports:
        assert reports == []
        grow_old(state, 31)
        assert await in_thread(comes_true, lambda: bool(reports))
        await anyio.sleep(0.1)  # for some more looks
    assert len(re.findall("A call of create_app", capsys.readouterr().err)) == 1
    ended.close()


async def test_a_look_that_came_too_late_keeps_no_lock(
    projects: list[ToolContext], state: DatabaseState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "PAUSE_SECONDS", (0.01, 0.02))
    looking = projects[0].state
    assert isinstance(looking, DatabaseState)
    try_lock = state.records("journal").try_lock
    async with losses.reported_losses(projects[0], regularly=True):
        with looking._locks._guard:  # as a thread that waits for the database has it
            monkeypatch.setattr(threads, "STORE_SECONDS", 0.05)
            await anyio.sleep(1)
        monkeypatch.undo()
        free = await in_thread(comes_true, lambda: try_lock(".recovery") is not None)
    assert free


def test_a_killed_server_leaves_its_calls_to_another_one(
    state: DatabaseState, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, database_url)
    monkeypatch.setenv(PROJECT_ID, SANDBOX_CREDENTIALS.project_id)
    monkeypatch.setenv(SECRET, SANDBOX_CREDENTIALS.secret)
    sandbox, arrived = create_sandbox(), threading.Event()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/search"):
            await sandbox(scope, receive, send)
        else:
            arrived.set()
            await anyio.sleep_forever()

    log = ("--audit-log", str(tmp_path / "audit"))
    store = ("--secret-store", "file", "--data-dir", str(tmp_path), "--shared-data-dir", *log)
    with serving(silent) as url, running("--base-url", url, *store) as killed:
        begin_a_create(killed)
        assert arrived.wait(timeout=100)
        killed.kill()
        killed.wait()
        grow_old(state, 31)
        with running("--base-url", url, *store) as other:
            assert other.stderr
            assert "No trace of it was found, but it may still" in other.stderr.readline()


async def test_while_the_database_is_away_reads_go_on_and_changes_are_refused(
    service: Service, tmp_path: Path
) -> None:
    with running_server() as server:
        migrate(server.url("postgres"))
        state = DatabaseState(server.url("postgres"))
        async with (
            project_on(service, folder=tmp_path, state=state) as project,
            Client(build_server(project)) as client,
        ):
            app = answer(await client.call_tool("create_app", MINE))["app"]["client_id"]
            change = ("update_app", {"client_id": app, "client_name": "Other"})
            server.stop()
            answer(await client.call_tool("get_app", {"client_id": app}))
            service.changes.clear()
            for call in (change, ("create_app", MINE), ("start_secret_rotation", change[1])):
                arguments = {"client_id": app} if "secret" in call[0] else call[1]
                refused = str(refusal(await client.call_tool(call[0], arguments)))
                assert "Nothing was sent" in refused
                assert "The database cannot be used: it cannot be reached." in refused
            assert service.changes == []
            server.start()
            answer(await client.call_tool(*change))
        state.close()


async def opened(monkeypatch: pytest.MonkeyPatch, url: str, **settings: Any) -> type:
    """The kind of state of a project with these settings."""
    monkeypatch.setenv(VARIABLE, url)
    async with open_project(loading.load(sandbox=True, **settings)) as project:
        return type(project.state)


async def test_the_settings_open_the_database(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> None:
    options = {"sandbox_db": tmp_path / "apps", "secret_store": "none"}
    assert await opened(monkeypatch, database_url, **options) is DatabaseState


async def test_a_sandbox_whose_apps_end_with_it_shares_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await opened(monkeypatch, "postgresql://127.0.0.1:1/none") is not DatabaseState


@pytest.mark.parametrize("store", ["auto", "file", "keyring"])
async def test_a_store_of_one_machine_is_refused(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path, store: str
) -> None:
    options = {"sandbox_db": tmp_path / "apps", "secret_store": store}
    with pytest.raises(SettingsError, match=f"--secret-store {store} is of one machine"):
        await opened(monkeypatch, database_url, **options)


async def test_a_store_in_a_shared_folder_is_accepted(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> None:
    options = {"data_dir": tmp_path, "secret_store": "file", "shared_data_dir": True}
    assert await opened(monkeypatch, database_url, **options) is DatabaseState


async def test_a_database_that_cannot_be_used_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, empty_database: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=f"{VARIABLE}: .*Run connected-apps-mcp database"):
        await opened(monkeypatch, empty_database, data_dir=tmp_path, secret_store="none")


async def test_what_is_no_url_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as refused:
        await opened(monkeypatch, "my-password", data_dir=tmp_path, secret_store="none")
    assert str(refused.value) == f"{VARIABLE}: give a URL that begins with postgresql://"


async def test_the_url_and_its_password_are_redacted(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> None:
    await opened(monkeypatch, database_url, data_dir=tmp_path, secret_store="none")
    assert "postgresql://" not in REDACTOR.redact(f"at {database_url}")
    assert "a/pass@word" not in REDACTOR.redact("it is a/pass@word of the tests")


def test_the_settings_do_not_show_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://someone:my-password@127.0.0.1/name")
    settings = loading.load(sandbox=True)
    assert isinstance(settings.database_url, SecretStr)
    assert "my-password" not in repr(settings)


def test_a_folder_is_shared_by_servers_with_a_database_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"--shared-data-dir needs {VARIABLE}"):
        loading.load(sandbox=True, data_dir=tmp_path, shared_data_dir=True)


def test_a_shared_folder_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://127.0.0.1/name")
    with pytest.raises(SettingsError, match="--shared-data-dir needs --data-dir"):
        loading.load(sandbox=True, shared_data_dir=True)


def test_replicas_over_http_need_the_same_keys_for_questions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://127.0.0.1/name")
    with pytest.raises(SettingsError, match=f"--transport http with {VARIABLE} needs --state-key"):
        loading.load(sandbox=True, sandbox_db=tmp_path / "apps", transport=["http"])


async def test_a_missing_library_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> None:
    monkeypatch.setattr("connected_apps_mcp.wiring.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"needs psycopg, which is missing: .*install.*psycopg"):
        await opened(monkeypatch, database_url, data_dir=tmp_path)
