"""Faults that a test plants on a desk where all is well."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from pydantic import SecretStr
from server.audit.logs import files_of, log_in, record
from support import SERVER, cannot_run

from connected_apps_mcp.callers import Caller
from connected_apps_mcp.confirmation.approvals import Approvals, PendingCall, ProjectLabel
from connected_apps_mcp.settings.profiles import Profile, Profiles
from connected_apps_tools.safety.question import Question
from connected_apps_tools.secrets.journal import Intent, Journal

from .machines import Desk
from .services import answering, closed_port, self_signed, silent

CANARY = "canary-Zx81kQ0pLm27vTn4Rb6wYs3c"

OTHER_USER = 12345


@dataclass
class Planting:
    """What a fault is planted with.

    Attributes:
        desk: the desk to spoil.
        stack: what ends after the test.
        patch: changes the process for the time of the test.
    """

    desk: Desk
    stack: ExitStack
    patch: pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        plant: plants it.
        checks: the checks that find it.
        remedy: a pattern of the remedy.
        state: how bad it is.
    """

    plant: Callable[[Planting], None]
    checks: set[str]
    remedy: str
    state: str = "broken"


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, *checks: str, remedy: str, state: str = "broken"
) -> Callable[[Callable[[Planting], None]], Callable[[Planting], None]]:
    """Add a fault that this function plants."""

    def add(plant: Callable[[Planting], None]) -> Callable[[Planting], None]:
        FAULTS[name] = Fault(plant, set(checks), remedy, state)
        return plant

    return add


def simple(
    name: str,
    *checks: str,
    remedy: str,
    flags: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
) -> None:
    """Add a fault of flags or variables. PATH and CLOSED stand for the folder and a closed port."""

    def plant(on: Planting) -> None:
        def filled(text: str) -> str:
            return text.replace("PATH", str(on.desk.folder)).replace("CLOSED", str(closed_port()))

        on.desk.flags |= {flag: filled(value) for flag, value in (flags or {}).items()}
        on.desk.environment |= {
            variable: filled(value) for variable, value in (environment or {}).items()
        }

    FAULTS[name] = Fault(plant, set(checks), remedy)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


# Settings

simple("a malformed flag", "settings", remedy="--deadline", flags={"deadline": "soon"})
simple(
    "a malformed variable",
    "settings",
    remedy="CONNECTED_APPS_MCP_LOG_LEVEL",
    environment={"CONNECTED_APPS_MCP_LOG_LEVEL": "loud"},
)
simple(
    "settings that contradict each other",
    "settings",
    remedy="--sandbox-db",
    flags={"sandbox-db": "PATH/apps.sqlite3"},
)
simple("an unknown toolset", "settings", remedy="--toolsets", flags={"toolsets": "apps,everything"})
simple(
    "an unknown variable",
    "variables",
    remedy="unset CONNECTED_APPS_MCP_TOLSETS",
    environment={"CONNECTED_APPS_MCP_TOLSETS": CANARY},
)
simple("an unknown profile", "settings", remedy="--profile", flags={"profile": "nowhere"})


def keep_in_profile(desk: Desk, name: str) -> None:
    """Keep the credentials in a profile."""
    taken = desk.environment.pop
    profile = Profile(project_id=taken("STYTCH_PROJECT_ID"), secret_in="file")
    Profiles().put(name, profile, SecretStr(taken("STYTCH_SECRET")))


def config() -> Path:
    return Path(os.environ["HOME"], ".config", "connected-apps-mcp")


@fault("a profile that lost its secret", "credentials", remedy="login --profile default")
def _lost_secret(on: Planting) -> None:
    keep_in_profile(on.desk, "default")
    (config() / "credentials" / "default").unlink()


@fault(
    "another profile that lost its secret",
    "profiles",
    remedy="login --profile live.*logout --profile live",
    state="warning",
)
def _lost_other_secret(on: Planting) -> None:
    environment = dict(on.desk.environment)
    keep_in_profile(on.desk, "live")
    on.desk.environment = environment
    (config() / "credentials" / "live").unlink()


@fault("a damaged profile", "profiles", remedy="login --profile old", state="warning")
def _damaged_profile(on: Planting) -> None:
    environment = dict(on.desk.environment)
    keep_in_profile(on.desk, "old")
    on.desk.environment = environment
    (config() / "profiles" / "old.toml").write_text("project_id = ")


# Credentials and the service

simple(
    "no project id",
    "credentials",
    remedy="login, or",
    environment={"STYTCH_PROJECT_ID": ""},
)
simple("no secret", "credentials", remedy="STYTCH_SECRET", environment={"STYTCH_SECRET": ""})
simple(
    "a placeholder that no client filled in",
    "credentials",
    remedy="STYTCH_SECRET",
    environment={"STYTCH_SECRET": "${STYTCH_SECRET}"},
)
simple(
    "the secret of a live project",
    "credentials",
    remedy="login",
    environment={"STYTCH_SECRET": f"secret-live-{CANARY}"},
)
simple(
    "a secret that the service refuses",
    "credentials",
    remedy="login",
    environment={"STYTCH_SECRET": CANARY},
)
simple(
    "no service at the base URL",
    "service",
    remedy="host and port",
    flags={"base-url": "http://127.0.0.1:CLOSED"},
)
simple(
    "a host that nobody knows",
    "service",
    remedy="host name",
    flags={"base-url": "https://service.invalid"},
)


@fault("a path in the base URL that the service does not know", "service", remedy="base URL")
def _wrong_path(on: Planting) -> None:
    on.desk.flags["base-url"] = f"{on.desk.url}/v2"


@fault("a service that fails", "service", remedy="Try again|try again")
def _failing_service(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(500, {"status_code": 500}))


@fault("a page of a proxy in place of the service", "service", remedy="proxy")
def _page(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(200, "<html>Log in</html>"))


@fault("a service that does not answer", "service", remedy="Try again")
def _silent_service(on: Planting) -> None:
    on.desk.flags |= {"base-url": on.stack.enter_context(silent()), "deadline": "0.5"}


@fault("a certificate that nobody signed", "service", remedy="SSL_CERT_FILE")
def _untrusted(on: Planting) -> None:
    tls = self_signed(on.desk.folder)
    on.desk.flags["base-url"] = on.stack.enter_context(answering(tls=tls))


@fault("a clock that is late", "clock", remedy="timedatectl", state="warning")
def _late_clock(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(ahead=600))


@fault("a clock that is early", "clock", remedy="timedatectl", state="warning")
def _early_clock(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(ahead=-600))


simple(
    "a proxy that is not there",
    "proxy",
    "service",
    remedy="unset HTTPS_PROXY, or name service.invalid in NO_PROXY",
    flags={"base-url": "https://service.invalid"},
    environment={"HTTPS_PROXY": f"http://user:{CANARY}@127.0.0.1:CLOSED"},
)
simple(
    "a malformed proxy",
    "proxy",
    "service",
    remedy="unset ALL_PROXY",
    flags={"base-url": "https://service.invalid"},
    environment={"ALL_PROXY": f"http://user:{CANARY}@127.0.0.1:port"},
)
simple(
    "a file of certificates that is not there",
    "certificates",
    remedy="unset SSL_CERT_FILE",
    environment={"SSL_CERT_FILE": "PATH/nowhere.pem"},
)
simple(
    "a folder of certificates that is not there",
    "certificates",
    remedy="unset SSL_CERT_DIR",
    environment={"SSL_CERT_DIR": "PATH/nowhere"},
)


@fault("a file of certificates without any", "certificates", remedy="unset SSL_CERT_FILE")
def _no_certificates(on: Planting) -> None:
    file = write(on.desk.folder / "empty.pem", "none")
    on.desk.environment["SSL_CERT_FILE"] = str(file)


@fault("a certificate of the server that is none", "certificates", remedy="certificate and")
def _own_certificate(on: Planting) -> None:
    cert, key = (write(on.desk.folder / name, "none") for name in ("cert.pem", "key.pem"))
    on.desk.flags |= {"transport": "http", "tls-cert": str(cert), "tls-key": str(key)}


# Folders and stores


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


# What earlier processes left


@fault("an interrupted call", "journal", remedy="secrets list .*--data-dir", state="warning")
def _interrupted(on: Planting) -> None:
    on.desk.data.mkdir(mode=0o700)
    journal = Journal(on.desk.data / "journal")
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
    Approvals(on.desk.data / "confirmations").add(call.model_copy(update={"since": since}))


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


# Policy and sandbox


def _policy(on: Planting, text: str) -> None:
    on.desk.flags["policy"] = str(write(on.desk.folder / "policy.toml", text))


@fault("a policy that is not TOML", "policy", remedy="policy check --policy .*policy.toml")
def _broken_policy(on: Planting) -> None:
    _policy(on, "redirect_hosts = [")


@fault("a rule that there is not", "policy", remedy="policy check")
def _unknown_rule(on: Planting) -> None:
    _policy(on, "redirect_host = []")


@fault("a flag that is laxer than the policy", "policy", remedy="policy check")
def _lax_flag(on: Planting) -> None:
    _policy(on, 'reveal = "never"')
    on.desk.flags["reveal"] = "allow"


simple(
    "a policy that is not there",
    "policy",
    remedy="policy check",
    flags={"policy": "PATH/nowhere.toml"},
)


def _sandbox(on: Planting, file: Path) -> None:
    del on.desk.flags["base-url"]
    on.desk.flags |= {"sandbox": "", "sandbox-db": str(file)}


@fault("a file that is no sandbox", "sandbox", remedy="--sandbox-db")
def _no_database(on: Planting) -> None:
    _sandbox(on, write(on.desk.folder / "apps.sqlite3", "These are no apps. " * 50))


@fault("a sandbox in a folder that is not there", "sandbox", remedy="mkdir -p .*nowhere")
def _no_folder(on: Planting) -> None:
    _sandbox(on, on.desk.folder / "nowhere" / "apps.sqlite3")


# Over HTTP


@fault("an address that is in use", "address", remedy="--port 0", state="warning")
def _address_in_use(on: Planting) -> None:
    port = on.stack.enter_context(silent()).rpartition(":")[2]
    on.desk.flags |= {"transport": "http", "port": port}


simple(
    "an issuer that is not there",
    "issuers",
    remedy="auth-issuer.*/.well-known/",
    flags={
        "transport": "http",
        "port": "0",
        "auth": "issuer",
        "auth-issuer": "http://127.0.0.1:CLOSED",
    },
)


@fault("a page in place of an issuer", "issuers", remedy="auth-issuer.*/.well-known/")
def _no_issuer(on: Planting) -> None:
    issuer = on.stack.enter_context(answering(200, "<html>"))
    on.desk.flags |= {"transport": "http", "port": "0", "auth": "issuer", "auth-issuer": issuer}


# The installation


@fault("another copy first on PATH", "command", remedy="Keep one copy", state="warning")
def _another_copy(on: Planting) -> None:
    script = "#!/bin/sh\necho connected-apps-mcp, version 0.0.7\n"
    copy = write(on.desk.folder / "bin" / "connected-apps-mcp", script, 0o700)
    on.desk.environment["PATH"] = f"{copy.parent}{os.pathsep}{os.environ['PATH']}"


@fault("a copy on PATH that does not start", "command", remedy="remove that one", state="warning")
def _dead_copy(on: Planting) -> None:
    copy = write(on.desk.folder / "bin" / "connected-apps-mcp", "#!/nowhere/python\n", 0o700)
    on.desk.environment["PATH"] = f"{os.environ['PATH']}{os.pathsep}{copy.parent}"


@fault("two installations in one Python", "command", remedy="pip uninstall", state="warning")
def _installed_twice(on: Planting) -> None:
    metadata = "Metadata-Version: 2.1\nName: connected-apps-mcp\nVersion: 0.0.7\n"
    write(on.desk.folder / "old" / "connected_apps_mcp-0.0.7.dist-info" / "METADATA", metadata)
    on.patch.setattr(sys, "path", [*sys.path, str(on.desk.folder / "old")])


@fault("no uvloop", "python", remedy="pip install uvloop", state="warning")
def _no_uvloop(on: Planting) -> None:
    on.patch.setattr("connected_apps_mcp.commands.common.HAS_UVLOOP", False)
    on.patch.setitem(sys.modules, "uvloop", None)


# Clients


def _cursor(entry: dict[str, object]) -> None:
    text = json.dumps({"mcpServers": {"connected-apps": entry}})
    write(Path(os.environ["HOME"], ".cursor", "mcp.json"), text)


@fault("an entry of a command that is gone", "clients", remedy="install cursor --scope user")
def _gone_command(_on: Planting) -> None:
    _cursor({"command": "/nowhere/connected-apps-mcp", "args": ["--sandbox"]})


@fault("an entry without a project", "clients", remedy="install cursor --scope user")
def _no_project(_on: Planting) -> None:
    _cursor({"command": SERVER[0], "args": SERVER[1:]})


@fault("a secret in an entry", "clients", remedy="login, then .*install cursor", state="warning")
def _secret_in_entry(_on: Planting) -> None:
    args, secret = [*SERVER[1:], "--sandbox"], {"STYTCH_SECRET": CANARY}
    _cursor({"command": SERVER[0], "args": args, "env": secret})


@fault("a damaged configuration", "clients", remedy="Correct the file", state="warning")
def _damaged_configuration(_on: Planting) -> None:
    write(Path(os.environ["HOME"], ".cursor", "mcp.json"), '{"connected-apps-mcp": ')
