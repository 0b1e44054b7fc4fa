"""`connected-apps-mcp secrets`, and secrets across whole processes."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from pydantic import SecretStr
from sizes import sized
from starlette.types import Receive, Scope, Send
from support import (
    CREATE,
    SANDBOX,
    SERVER,
    SHOWN_APP,
    answer,
    begin,
    begin_a_create,
    on_service,
    running,
)
from support import secrets_command as command

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools.api.models import App
from connected_apps_tools.catalogue.types.secret_view import describe_secret
from connected_apps_tools.context import ServerInfo
from connected_apps_tools.secrets.capture import CapturedSecret
from connected_apps_tools.secrets.fallback_store import StorageLocation
from connected_apps_tools.secrets.journal import Intent, Journal
from connected_apps_tools.secrets.stores import SecretKey
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage.records import FolderState


def served(where: list[str]) -> StdioServerParameters:
    return StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *where])


async def call(where: list[str], tool: str, **arguments: Any) -> dict[str, Any]:
    async with Client(served(where)) as client:
        return answer(await client.call_tool(tool, arguments))


@pytest.fixture
async def app(where: list[str]) -> str:
    """The id of a confidential app that another process created."""
    created = await call(where, "create_app", client_type="first_party", client_name="Mine")
    return str(created["app"]["client_id"])


@pytest.fixture
def accepted(where: list[str]) -> Iterator[Any]:
    """Ask the service, over a socket of its own, whether it accepts a secret."""
    with running("sandbox", "serve", "--port", "0", "--db", where[2]) as process:
        assert process.stdout
        url = [process.stdout.readline() for _ in range(3)][-1].split()[-1]

        def ask(client_id: str, secret: str) -> bool:
            answered = httpx2.post(
                f"{url}/v1/oauth2/introspect", data={"token": "x"}, auth=(client_id, secret)
            )
            return answered.status_code == 200

        yield ask


async def test_show_prints_the_secret_in_force_from_creation_through_a_rotation(
    where: list[str], app: str, accepted: Any
) -> None:
    def shown(*which: str) -> str:
        return command("show", app, *which, *where).stdout.strip()

    first = shown()
    assert accepted(app, first)
    await call(where, "start_secret_rotation", client_id=app)
    second = shown("--next")
    assert accepted(app, first)
    assert accepted(app, second)
    assert shown() == first
    await call(where, "complete_secret_rotation", client_id=app)
    assert shown() == second
    assert accepted(app, second)
    assert not accepted(app, first)
    assert command("show", app, "--next", *where).returncode == 1


def in_a_shell(note: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a note, as a person who pastes it into a shell."""
    (line,) = re.findall("`(.+?)`", note)
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)


async def test_the_note_of_a_secret_gives_the_command_that_shows_it(tmp_path: Path) -> None:
    folder = tmp_path / "my data; touch x"
    where = ["--sandbox", "--data-dir", str(folder)]
    made = await call(where, "create_app", client_type="first_party", reveal_secret=True)
    secret = made["client_secret"]
    assert in_a_shell(secret["note"]).stdout.strip() == secret["value"]
    assert "or use reveal_client_secret" in secret["note"]


async def test_the_command_for_a_real_project_does_not_need_its_secret(tmp_path: Path) -> None:
    with on_service(create_sandbox(), tmp_path) as process:
        begin_a_create(process)
        assert process.stdout
        made = json.loads(process.stdout.readline())["result"]["structuredContent"]
    shown = in_a_shell(made["client_secret"]["note"])
    assert shown.stdout.strip().endswith(made["client_secret"]["last_four"])
    assert shown.stderr == ""


async def test_the_note_of_a_sandbox_in_memory_gives_no_command() -> None:
    async with Client(served(["--sandbox"])) as client:
        made = answer(await client.call_tool("create_app", {"client_type": "first_party"}))
        note = made["client_secret"]["note"]
        named = {"client_id": made["app"]["client_id"]}
        shown = answer(await client.call_tool("reveal_client_secret", named))
    assert "use reveal_client_secret while this server runs" in note
    assert "`" not in note
    assert shown["value"].endswith(made["client_secret"]["last_four"])


async def test_the_note_of_a_sandbox_in_memory_with_reveal_never_says_so() -> None:
    made = await call(["--sandbox", "--reveal", "never"], "create_app", client_type="first_party")
    assert "reveal_client_secret cannot be used here" in made["client_secret"]["note"]


@pytest.mark.parametrize("client_id", ["x; touch y", "--sandbox", "$(id)", "`id`", "a\nb", "é"])
def test_an_odd_client_id_stays_out_of_the_command(client_id: str) -> None:
    app = App.model_validate({**SHOWN_APP, "client_id": client_id})
    captured = CapturedSecret(SecretStr("s" * 8), StorageLocation("file", "the file x"), app=app)
    note = describe_secret(ServerInfo(), captured, reveal=False).note
    assert "`connected-apps-mcp secrets show CLIENT_ID --secret-store file`" in note


@pytest.mark.parametrize("what", ["list", "show", "run", "forget"])
def test_a_sandbox_in_memory_has_nothing_for_another_process(what: str) -> None:
    more = {"list": [], "run": ["app", "--as", "X", "true"]}.get(what, ["app"])
    refused = command(what, "--sandbox", *more, input="y")
    assert refused.returncode == 2
    assert "reveal_client_secret" in refused.stderr
    assert "--sandbox-db and --data-dir" in refused.stderr


@pytest.mark.parametrize("what", ["show", "list", "run"])
def test_a_stored_secret_needs_only_the_project_id(tmp_path: Path, what: str) -> None:
    key = SecretKey("project-test-1", "app")
    FileStore(tmp_path / "secrets").put(key, SecretStr("a-stored-secret-1234"))
    echo = [sys.executable, "-c", "import os; print(os.environ['X'])"]
    more = {"show": ["app"], "list": [], "run": ["app", "--as", "X", "--", *echo]}[what]
    where = ["--secret-store", "file", "--data-dir", str(tmp_path)]
    environment = os.environ | {"STYTCH_PROJECT_ID": "project-test-1"}
    done = command(what, *where, *more, env=environment)
    assert done.returncode == 0
    assert ("…1234" if what == "list" else "a-stored-secret-1234") in done.stdout


def test_without_the_projects_secret_an_interrupted_call_is_only_reported(
    tmp_path: Path,
) -> None:
    journal = Journal(FolderState(tmp_path).records("journal"))
    journal.record(Intent(act="create_app", project_id="project-test-1", client_type="first_party"))
    journal.close()
    environment = os.environ | {"STYTCH_PROJECT_ID": "project-test-1"}
    where = ["--secret-store", "file", "--data-dir", str(tmp_path)]
    listed = command("list", *where, env=environment)
    assert listed.returncode == 0
    assert "could not be checked: STYTCH_SECRET is not set" in listed.stderr


@pytest.mark.parametrize(("what", "code"), [("list", 0), ("show", 1), ("forget", 1), ("run", 1)])
def test_an_empty_store_is_reported_with_its_folder(
    where: list[str], tmp_path: Path, what: str, code: int
) -> None:
    more = {"list": [], "run": ["app", "--as", "X", "true"]}.get(what, ["app"])
    done = command(what, *where, *more, input="y\n")
    assert done.returncode == code
    assert (
        f"in the folder {tmp_path / 'data' / 'secrets'}, for project project-test-" in done.stderr
    )
    assert (
        "Nothing is stored yet" if what == "list" else "No current secret of app"
    ) in done.stderr


async def test_list_shows_no_secret(where: list[str], app: str) -> None:
    secret = command("show", app, *where).stdout.strip()
    listed = command("list", *where)
    assert listed.returncode == 0
    assert app in listed.stdout
    assert f"…{secret[-4:]}" in listed.stdout
    assert secret not in listed.stdout + listed.stderr


async def test_list_checks_at_the_service_whether_secrets_work(where: list[str], app: str) -> None:
    await call(where, "start_secret_rotation", client_id=app)
    listed = command("list", "--check", *where)
    assert listed.returncode == 0, listed.stderr
    assert [line.count("  alive: The service accepts") for line in lines_of(listed)] == [1, 1]


async def test_list_fails_if_a_checked_secret_is_dead(
    where: list[str], app: str, tmp_path: Path
) -> None:
    secret = command("show", app, *where).stdout.strip()
    key = SecretKey(SANDBOX.project_id, app, "next")
    FileStore(tmp_path / "data" / "secrets").put(key, SecretStr("another-secret-1234"))
    listed = command("list", "--check", *where)
    assert listed.returncode == 1
    current, upcoming = lines_of(listed)
    assert "  alive: " in current
    assert "  dead: The service does not accept the next secret" in upcoming
    assert "Not every stored secret was seen working" in listed.stderr
    assert not {secret, "another-secret-1234"} & set(re.split(r"\s", listed.stdout + listed.stderr))


def test_list_fails_if_a_secret_could_not_be_checked(tmp_path: Path) -> None:
    key = SecretKey("project-test-1", "app")
    FileStore(tmp_path / "secrets").put(key, SecretStr("a-stored-secret-1234"))
    environment = os.environ | {"STYTCH_PROJECT_ID": "project-test-1"}
    where = ["--secret-store", "file", "--data-dir", str(tmp_path)]
    listed = command("list", "--check", *where, env=environment)
    assert listed.returncode == 1
    assert "could not be checked: STYTCH_SECRET is not set" in listed.stdout
    assert "a-stored-secret-1234" not in listed.stdout + listed.stderr


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.splitlines()


@pytest.mark.parametrize("what", ["show", "list"])
async def test_a_full_output_is_an_error_without_a_traceback(
    where: list[str], app: str, what: str, full: TextIO
) -> None:
    failed = command(what, *([app] if what == "show" else []), *where, stdout=full)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "Error: Standard output: No space left on device."


async def test_forget_asks_first(where: list[str], app: str) -> None:
    assert command("forget", app, *where, input="n\n").returncode == 1
    assert command("show", app, *where).returncode == 0
    assert command("forget", app, *where, input="y\n").returncode == 0
    missing = command("show", app, *where)
    assert missing.returncode == 1
    assert "No current secret" in missing.stderr


async def test_run_gives_a_command_the_secret_and_prints_nothing(
    where: list[str], app: str
) -> None:
    secret = command("show", app, *where).stdout.strip()
    script = "import os, sys; print(len(os.environ['THE_SECRET'])); sys.exit(7)"
    done = command("run", app, "--as", "THE_SECRET", *where, "--", sys.executable, "-c", script)
    assert (done.stdout, done.stderr, done.returncode) == (f"{len(secret)}\n", "", 7)


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGXFSZ])
async def test_run_leaves_no_signal_ignored(
    where: list[str], app: str, number: signal.Signals
) -> None:
    script = f"kill -{number} $$; echo survived"
    done = command("run", app, "--as", "X", *where, "--", "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("", -number)


async def test_run_reports_a_missing_command(where: list[str], app: str) -> None:
    failed = command("run", app, "--as", "X", *where, "--", "no-such-command-here")
    assert failed.returncode == 1
    assert "no-such-command-here" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_folder_that_others_can_read_is_refused(where: list[str], tmp_path: Path) -> None:
    (tmp_path / "data" / "secrets").mkdir(parents=True, mode=0o755)
    (tmp_path / "data" / "secrets").chmod(0o755)
    refused = command("list", *where)
    assert refused.returncode == 1
    assert "chmod 700" in refused.stderr


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_data_folder_that_others_can_write_is_refused(
    where: list[str], tmp_path: Path, mode: int
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(mode)
    refused = command("list", *where)
    assert refused.returncode == 2
    assert "--data-dir" in refused.stderr
    assert "chmod go-w" in refused.stderr
    assert list((tmp_path / "data").iterdir()) == []


def test_a_data_folder_that_others_can_read_is_accepted(where: list[str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    assert command("list", *where).returncode == 0


@pytest.mark.parametrize("command", [["secrets", "list"], ["serve"]])
def test_a_data_folder_is_created_for_its_owner_only(
    where: list[str], tmp_path: Path, command: list[str]
) -> None:
    subprocess.run([*SERVER, *command, *where], input=b"", umask=0, check=True)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_tilde_in_a_path_is_the_home_folder(tmp_path: Path) -> None:
    environment = os.environ | {
        "HOME": str(tmp_path),
        "CONNECTED_APPS_MCP_DATA_DIR": "~/data",
        "CONNECTED_APPS_MCP_SANDBOX_DB": "~/apps",
    }
    listed = command("list", "--sandbox", cwd=tmp_path, env=environment)
    assert listed.returncode == 0
    assert {"data", "apps"} <= {path.name for path in tmp_path.iterdir()}
    assert "~" not in {path.name for path in tmp_path.iterdir()}


def test_an_unknown_home_folder_is_refused() -> None:
    refused = command("list", "--sandbox", "--data-dir", "~nobody-of-that-name/data")
    assert refused.returncode == 2
    assert "--data-dir" in refused.stderr
    assert "no such home folder" in refused.stderr


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        (["--secret-store", "vault"], "VAULT_TOKEN"),
        (["--secret-store", "safe"], "'keyring'"),
        (["--reveal", "sometimes"], "--reveal"),
    ],
)
def test_an_unusable_setting_is_refused_at_the_start(setting: list[str], rule: str) -> None:
    refused = subprocess.run(
        [*SERVER, "--sandbox", *setting],
        input="",
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if "VAULT" not in name},
    )
    assert refused.returncode == 2
    assert rule in refused.stderr


KILLS = sized("kills of a server")


def seconds_of_a_create(where: list[str]) -> float:
    with running(*where) as process:
        begin_a_create(process)
        began = time.monotonic()
        assert process.stdout
        process.stdout.readline()
        return time.monotonic() - began


def killed_during_a_create(where: list[str], after: float) -> None:
    with running(*where) as process:
        begin_a_create(process)
        time.sleep(after)
        process.kill()


@pytest.mark.series
async def test_a_kill_at_any_point_of_a_create_is_harmless_or_reported(where: list[str]) -> None:
    # The kills are spread over the time that a create takes here, and as long again.
    step = 2 * await anyio.to_thread.run_sync(seconds_of_a_create, where) / KILLS
    for number in range(KILLS):
        await anyio.to_thread.run_sync(killed_during_a_create, where, number * step)
    listed = command("list", *where)
    stored = {line.split()[0] for line in listed.stdout.splitlines()}
    async with Client(served(where)) as client:
        found = answer(await client.call_tool("search_apps", {"limit": 1000}))["apps"]
        instructions = str(client.instructions)
    lost = {app["client_id"] for app in found} - stored
    assert all(client_id in listed.stderr for client_id in lost)
    assert all(client_id in instructions for client_id in lost)
    # Some kills came after the create, else this test shows nothing.
    assert len(found) > 1


@pytest.mark.parametrize("name", ["", "A=B", "1A", "A B"])
async def test_run_refuses_an_invalid_name_of_a_variable(where: list[str], name: str) -> None:
    refused = command("run", "app", "--as", name, *where, "--", "true")
    assert refused.returncode == 2
    assert "name of a variable" in refused.stderr


async def test_a_damaged_secret_hides_neither_the_others_nor_what_is_reported(
    where: list[str], app: str, tmp_path: Path
) -> None:
    (tmp_path / "data" / "journal" / "newer").write_text("of a newer version")
    (file,) = (tmp_path / "data" / "secrets").glob("*.json")
    file.write_text("{}")
    other = (await call(where, "create_app", client_type="first_party"))["app"]["client_id"]
    listed = command("list", *where)
    assert listed.returncode == 1
    assert f"secret of {app} is damaged" in listed.stderr
    assert other in listed.stdout
    assert "newer, which this version cannot read" in listed.stderr


async def test_a_damaged_secret_can_be_deleted(where: list[str], app: str, tmp_path: Path) -> None:
    (file,) = (tmp_path / "data" / "secrets").glob("*.json")
    file.write_text("")
    assert f"secret of {app} is damaged" in command("show", app, *where).stderr
    assert command("forget", app, "--yes", *where).returncode == 0
    assert "No current secret" in command("show", app, *where).stderr


async def test_after_an_interrupted_completion_show_prints_the_secret_in_force(
    where: list[str], app: str, accepted: Any, tmp_path: Path
) -> None:
    await call(where, "start_secret_rotation", client_id=app)
    upcoming = command("show", app, "--next", *where).stdout.strip()
    sandbox = create_sandbox(database=where[2])
    reached = threading.Event()

    async def complete_without_response(scope: Scope, receive: Receive, send: Send) -> None:
        async def discard(_: Any) -> None:
            reached.set()
            await anyio.sleep(5)

        completes = scope["path"].endswith("/secrets/rotate")
        await sandbox(scope, receive, discard if completes else send)

    arguments = {"name": "complete_secret_rotation", "arguments": {"client_id": app}}
    with on_service(complete_without_response, tmp_path) as process:
        begin(process, {**CREATE, "params": arguments})
        assert reached.wait(10)
        process.kill()
    # Drop the address, as earlier versions did: the sandbox now has another one.
    (file,) = (tmp_path / "data" / "journal").glob("[!.]*")
    intent = json.loads(file.read_text())
    file.write_text(json.dumps(intent | {"origin": None}))
    shown = command("show", app, *where).stdout.strip()
    assert shown == upcoming
    assert accepted(app, shown)
