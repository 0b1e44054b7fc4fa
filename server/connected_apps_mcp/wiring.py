"""Opens what the settings name: the project, with its secret store, and the audit log."""

import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr
from starlette.applications import Starlette

from connected_apps_mcp.settings.folders import temporary_folder, user_folder
from connected_apps_mcp.settings.settings import PROJECT_ID, SECRET, Settings, SettingsError, flag
from connected_apps_tools import ToolContext
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.service import Credentials
from connected_apps_tools.context import SecretsCommand
from connected_apps_tools.errors import NotSent
from connected_apps_tools.secrets.fallback_store import FallbackStore
from connected_apps_tools.secrets.journal import Journal
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.secrets.stores import SecretStore, open_store, require_usable
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import require_trusted
from connected_apps_tools.text.redaction import REDACTOR

from .audit import AuditFailed, AuditLog, Ledger, Stream

logger = logging.getLogger(__name__)

STORE_CREDENTIALS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "VAULT_TOKEN",
    "VAULT_SECRET_ID",
)
"""What the stores authenticate with, by variable."""

PROGRAM = "connected-apps-mcp"

NO_SECRET = SecretStr("")


@asynccontextmanager
async def open_project(settings: Settings) -> AsyncIterator[ToolContext]:
    """The project, for as long as it is worked on. Leaving it waits for what is under way.

    Raises:
        SettingsError: the secret store cannot be opened, or the data folder is open to others.
    """
    for name in STORE_CREDENTIALS:
        REDACTOR.add(os.environ.get(name))
    with data_folder(settings) as folder:
        files = FileStore(folder / "secrets")
        store = _open_store(settings, files, folder)
        last_resort = files if store and store is not files else None
        async with (
            open_client(settings) as api,
            SecretLifecycle(
                api, Journal(folder / "journal"), FallbackStore(api.project_id, store, last_resort)
            ) as lifecycle,
        ):
            yield replace(ToolContext.of(api, lifecycle, folder), policy=settings.rules)


@asynccontextmanager
async def open_audit(settings: Settings) -> AsyncIterator[AuditLog]:
    """The audit log, which could be written just now.

    A read-only server has nothing but refused calls to record. It goes without the log where that
    cannot be written, and says so.

    Raises:
        SettingsError: it cannot be written, and calls may have to be recorded.
    """
    with _audit_lines(settings) as lines:
        log = AuditLog(lines)
        try:
            await log.check()
        except AuditFailed as error:
            if not settings.read_only:
                raise SettingsError(f"--audit-log: {error}") from None
            logger.warning("Refused calls will not be recorded. %s", error)
        try:
            yield log
        finally:
            await log.aclose()


@contextmanager
def _audit_lines(settings: Settings) -> Iterator[Ledger | Stream]:
    key_file = settings.audit_key_file
    if settings.audit_log == "-":
        yield Stream(key_file)
        return
    with ExitStack() as ending:
        if settings.data_dir:
            _distrust(settings.data_dir)
        folder = settings.audit_folder or ending.enter_context(temporary_folder()) / "audit"
        yield Ledger(
            folder,
            max_bytes=settings.audit_max_bytes,
            key_file=key_file,
            within=None if settings.audit_log else settings.data_dir,
        )


@contextmanager
def data_folder(settings: Settings) -> Iterator[Path]:
    """Where what outlives a call is kept; for a sandbox in memory it goes with the process.

    Raises:
        SettingsError: others can write there, or there is no such folder.
    """
    if settings.fleeting:
        # The apps are gone when the process ends, so their secrets need not outlive it.
        with temporary_folder() as temporary:
            yield temporary
        return
    folder = settings.data_dir or user_folder("data")
    _distrust(folder)
    yield folder


def _distrust(folder: Path) -> None:
    """Refuse a folder in which others can put another in the place of one of ours."""
    with suppress(OSError):  # whoever needs it says why it cannot be used
        try:
            require_trusted(folder)
        except StoreError as error:
            raise SettingsError(f"--data-dir: {error}") from None


def _open_store(settings: Settings, files: FileStore, folder: Path) -> SecretStore | None:
    kind = settings.secret_store
    if kind == "auto" and settings.ephemeral:
        kind = "file"
    try:
        require_usable(kind)
        return open_store(kind, files=files, index=folder / "index")
    except StoreError as error:
        raise SettingsError(f"--secret-store {kind}: {error}") from None


def open_client(settings: Settings) -> ConnectedAppsClient:
    """The API of the project, or the sandbox. Without the project's secret every call is refused.

    Raises:
        SettingsError: the sandbox's file cannot be used, or the project is not known.
    """
    if not settings.sandbox:
        known = settings.secret is not None
        return ConnectedAppsClient(
            settings.credentials() if known else Credentials(settings.known_project(), NO_SECRET),
            base_url=settings.base_url,
            transport=None if known else _SendsNothing(),
            deadline=settings.deadline,
        )
    from .sandbox import SANDBOX_CREDENTIALS

    sandbox = open_sandbox("--sandbox-db", settings.sandbox_db, kind=settings.kind)
    return ConnectedAppsClient(
        Credentials(SANDBOX_CREDENTIALS.project_id, SecretStr(SANDBOX_CREDENTIALS.secret)),
        base_url="http://localhost",
        transport=httpx2.ASGITransport(sandbox, raise_app_exceptions=False),
        deadline=settings.deadline,
        origin=f"sandbox {settings.sandbox_db.resolve() if settings.sandbox_db else 'in memory'}",
    )


class _SendsNothing(httpx2.AsyncBaseTransport):
    """Stands in for the service where the project's secret is not given."""

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        refusal = NotSent(f"{SECRET} is not set")
        refusal.transient = False
        raise refusal


def secrets_command(settings: Settings) -> SecretsCommand:
    """How a person reads what a server with these settings keeps."""
    given = {name: getattr(settings, name) for name in ("sandbox_db", "data_dir")}
    paths = [[flag(name), str(path.resolve())] for name, path in given.items() if path]
    return SecretsCommand(
        program=_program(),
        variables={} if settings.sandbox else {PROJECT_ID: settings.known_project()},
        flags=[*(["--sandbox"] if settings.sandbox else []), *chain.from_iterable(paths)],
        fleeting=FileStore.kind if settings.fleeting else None,
    )


def _program() -> list[str]:
    """The words that start this program in a shell."""
    script = Path(sys.executable).with_name(PROGRAM)
    if not script.exists():
        return [sys.executable, "-P", "-m", __package__]
    found = shutil.which(PROGRAM)
    return [PROGRAM if found and Path(found).samefile(script) else str(script)]


def open_sandbox(flag: str, database: Path | None, **options: Any) -> Starlette:  # noqa: ANN401
    """The sandbox on a file, or in memory without one.

    Raises:
        SettingsError: the file, which `flag` names, cannot be used.
    """
    import sqlite3

    from .sandbox import create_sandbox

    try:
        return create_sandbox(database=":memory:" if database is None else database, **options)
    except sqlite3.Error as error:
        raise SettingsError(f"{flag}: the file cannot be used as a database ({error}).") from None
