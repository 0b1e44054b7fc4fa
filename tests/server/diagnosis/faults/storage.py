"""Faults of folders and stores, and of what earlier processes left."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import anyio
from server.audit.logs import files_of, log_in, record
from support import cannot_run

from connected_apps_mcp.callers import Caller
from connected_apps_mcp.confirmation.approvals import KIND, Approvals, PendingCall, ProjectLabel
from connected_apps_tools.safety.question import Question
from connected_apps_tools.secrets.journal import Intent, Journal
from connected_apps_tools.storage.records import FolderState

from .planting import CANARY, OTHER_USER, Planting, fault, simple, write


@fault("a data folder that others can write", "data folder", remedy="chmod go-w .*data")
def _open_data(on: Planting) -> None:
    on.desk.data.mkdir()
    on.desk.data.chmod(0o777)


@fault("a data folder of another user", "data folder", remedy="--data-dir")
def _data_of_another(on: Planting) -> None:
    if os.geteuid() != 0:
        cannot_run("giving a folder to another user needs root")
    on.desk.data.mkdir(mode=0o700)
    os.chown(on.desk.data, OTHER_USER, OTHER_USER)


@fault("a file in the place of the data folder", "data folder", remedy="Move it away")
def _data_file(on: Planting) -> None:
    write(on.desk.data, "")


@fault("keys of questions that others can read", "data folder", remedy="chmod 600 .*keys")
def _open_keys(on: Planting) -> None:
    file = write(on.desk.folder / "keys", f"{CANARY}-{CANARY}", 0o644)
    on.desk.flags["state-key-file"] = str(file)


class _Usage(NamedTuple):
    free: int


@fault("a disk that is almost full", "disk", remedy="Free space", state="warning")
def _full_disk(on: Planting) -> None:
    on.patch.setattr(shutil, "disk_usage", lambda _: _Usage(free=1))


@fault("stored secrets that others can read", "secret store", remedy="chmod 700 .*secrets")
def _open_secrets(on: Planting) -> None:
    (on.desk.data / "secrets").mkdir(parents=True)
    (on.desk.data / "secrets").chmod(0o755)


@fault("a link in the place of stored secrets", "secret store", remedy="move it away")
def _linked_secrets(on: Planting) -> None:
    on.desk.data.mkdir(mode=0o700)
    (on.desk.data / "secrets").symlink_to(on.desk.folder)


simple(
    "a keyring that is not there",
    "secret store",
    remedy="--secret-store file",
    flags={"secret-store": "keyring"},
    environment={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
)
simple(
    "a vault without an address",
    "secret store",
    remedy="secrets.md",
    flags={"secret-store": "vault"},
    environment={"VAULT_TOKEN": CANARY, "VAULT_ADDR": ""},
)
simple(
    "a vault that is not there",
    "secret store",
    remedy="vault store",
    flags={"secret-store": "vault"},
    environment={"VAULT_TOKEN": CANARY, "VAULT_ADDR": "http://127.0.0.1:CLOSED"},
)


@fault("an interrupted call", "journal", remedy="secrets list .*--data-dir", state="warning")
def _interrupted(on: Planting) -> None:
    on.desk.data.mkdir(mode=0o700)
    journal = Journal(FolderState(on.desk.data).records("journal"))
    journal.record(Intent(act="create_app", project_id="project-test-1", client_name="Bill\x1b[1m"))
    journal.close()


@fault("a damaged file in the journal", "journal", remedy="rm .*/journal/half", state="warning")
def _damaged_journal(on: Planting) -> None:
    write(on.desk.data / "journal" / "half", '{"act": "crea')


@fault("a journal that others can read", "journal", remedy="chmod 700 .*journal")
def _open_journal(on: Planting) -> None:
    write(on.desk.data / "journal" / "x", "{}")
    (on.desk.data / "journal").chmod(0o755)


def _wait(on: Planting, since: datetime) -> None:
    on.desk.data.mkdir(mode=0o700)
    call = PendingCall.of(
        ProjectLabel("project-test-1", "test"),
        Caller.of_process(),
        ("delete_app", {"client_id": "mine"}),
        Question("Do it?", [("Client id", "mine")], "Then it is done.", "state"),
    )
    Approvals(FolderState(on.desk.data).records(KIND)).add(call.model_copy(update={"since": since}))


@fault(
    "a call that waits for approval", "approvals", remedy="approve .*--data-dir", state="warning"
)
def _waiting(on: Planting) -> None:
    _wait(on, datetime.now(UTC))


@fault("a call that nobody approved", "approvals", remedy="approve .*data", state="warning")
def _expired(on: Planting) -> None:
    _wait(on, datetime.now(UTC) - timedelta(hours=1))


async def record_some(folder: Path) -> None:
    log = log_in(folder)
    await record(log, 3)
    await log.aclose()


def _audited(on: Planting) -> Path:
    """An audit log with some lines."""
    folder = on.desk.data / "audit"
    on.desk.data.mkdir(mode=0o700)
    anyio.run(record_some, folder)
    return folder


@fault("a changed line in the audit log", "audit log", remedy="audit verify --audit-log")
def _changed_line(on: Planting) -> None:
    file = files_of(_audited(on))[-1]
    file.write_text(file.read_text().replace("delete_app", "create_app", 1))


@fault("an audit log that was cut", "audit log", remedy="Restore the files")
def _cut_log(on: Planting) -> None:
    file = files_of(_audited(on))[-1]
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


@fault("an audit log without its head", "audit log", remedy="Restore the files")
def _headless(on: Planting) -> None:
    (_audited(on) / "head.json").unlink()


@fault("an audit log without its key", "audit log", remedy="audit verify")
def _keyless(on: Planting) -> None:
    (_audited(on) / "key").unlink()


@fault("an audit log that others can read", "audit log", remedy="chmod 700 .*audit")
def _open_log(on: Planting) -> None:
    _audited(on).chmod(0o755)


@fault("a key of the audit log that is too short", "audit log", remedy="openssl rand")
def _short_key(on: Planting) -> None:
    on.desk.flags["audit-key-file"] = str(write(on.desk.folder / "key", "short"))
