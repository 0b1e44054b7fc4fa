"""Opens what the settings name: the project with its secret store, and the audit log."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic import SecretStr
from starlette.applications import Starlette

from connected_apps_mcp.client_configs.entries import PROGRAM
from connected_apps_mcp.client_configs.launch import installed, on_path
from connected_apps_mcp.settings.credentials import DATABASE_URL
from connected_apps_mcp.settings.folders import temporary_folder
from connected_apps_mcp.settings.settings import PROJECT_ID, SECRET, Settings, SettingsError, flag
from connected_apps_tools import ToolContext
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.service import Credentials
from connected_apps_tools.context import AppLocks, SecretsCommand
from connected_apps_tools.errors import NotSent
from connected_apps_tools.secrets.fallback_store import FallbackStore
from connected_apps_tools.secrets.journal import Journal
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.secrets.stores import SecretStore, open_store, require_usable
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.secrets.stores.installation import how_to_add
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import FolderState, SharedState
from connected_apps_tools.storage.system import require_trusted
from connected_apps_tools.text.redaction import REDACTOR

from .audit import AuditFailed, AuditLog, Ledger, Lines, Stream

if TYPE_CHECKING:
    from connected_apps_tools.storage.postgres.database import Database
    from connected_apps_tools.storage.postgres.state import DatabaseState

logger = logging.getLogger(__name__)

STORE_CREDENTIALS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "VAULT_TOKEN",
    "VAULT_SECRET_ID",
)
"""Environment variables with the credentials of the secret stores."""

NO_SECRET = SecretStr("")

SECRETS, INDEX, JOURNAL = "secrets", "index", "journal"
"""Folders in the data folder: the file store, the index of the keyring, the journal."""

APPS = "apps"
"""The kind of the locks of apps in a database."""

ONE_MACHINE = ("auto", "keyring", "file")
"""Secret stores that the other servers may not reach."""


@asynccontextmanager
async def open_project(
    settings: Settings, sandbox: Starlette | None = None
) -> AsyncIterator[ToolContext]:
    """The project, in a sandbox that is open already or is opened here.

    On exit, waits for calls in flight.

    Raises:
        SettingsError: the secret store cannot be opened, or others can write in the data folder.
    """
    for name in STORE_CREDENTIALS:
        REDACTOR.add(os.environ.get(name))
    with data_folder(settings) as folder, shared_state(settings, folder) as state:
        files = FileStore(folder / SECRETS)
        store = open_settings_store(settings, files, folder)
        last_resort = files if store and store is not files else None
        async with (
            open_client(settings, sandbox) as api,
            SecretLifecycle(
                api,
                Journal(state.records(JOURNAL)),
                FallbackStore(api.project_id, store, last_resort),
            ) as lifecycle,
        ):
            yield replace(
                ToolContext.of(api, lifecycle, folder, state),
                policy=settings.loaded_policy,
                app_locks=AppLocks(state.records(APPS) if settings.shared_database else None),
            )


@contextmanager
def shared_state(settings: Settings, folder: Path) -> Iterator[SharedState]:
    """What all processes share: in the database if there is one, else in the data folder.

    Raises:
        SettingsError: the database cannot be used.
    """
    if settings.shared_database is None:
        yield FolderState(folder)
        return
    with _open_database(usable_url(settings.shared_database)) as state:
        yield state


def usable_url(url: SecretStr) -> str:
    """The URL of the database. From now on it is redacted, and its password.

    Raises:
        SettingsError: psycopg is missing, or this is no URL of a database.
    """
    if find_spec("psycopg") is None:
        raise SettingsError(
            f"{DATABASE_URL} needs psycopg, which is missing: {how_to_add('postgres')}"
        )
    from connected_apps_tools.storage.postgres.connection import password_of

    text = url.get_secret_value()
    REDACTOR.add(text)
    try:
        REDACTOR.add(password_of(text))
    except StoreError as error:
        raise SettingsError(f"{DATABASE_URL}: {error}") from None
    return text


@contextmanager
def _open_database(url: str) -> Iterator["DatabaseState"]:
    from connected_apps_tools.storage.postgres.state import DatabaseState

    with closing(DatabaseState(url)) as state:
        try:
            state.database.check()
        except StoreError as error:
            raise SettingsError(f"{DATABASE_URL}: {error}") from None
        yield state


def database_of(state: SharedState) -> "Database":
    """The database that a state is in, with the connections that this process shares."""
    from connected_apps_tools.storage.postgres.state import DatabaseState

    if not isinstance(state, DatabaseState):
        raise AssertionError("the state is not in a database")
    return state.database


@asynccontextmanager
async def open_audit(settings: Settings, state: SharedState) -> AsyncIterator[AuditLog]:
    """The audit log, after a check that it can be written. In a database, it is that of the state.

    A read-only server records only refused calls, so it only warns if the check fails.

    Raises:
        SettingsError: the log cannot be written, and the server is not read-only.
    """
    with _audit_output(settings, state) as output:
        log = AuditLog(output)
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
def _audit_output(settings: Settings, state: SharedState) -> Iterator[Lines]:
    key_file = settings.audit_key_file
    if settings.audits_in_database:
        yield _table(settings, database_of(state))
        return
    if settings.audit_log == "-":
        yield Stream(key_file)
        return
    with ExitStack() as stack:
        if settings.data_dir:
            _require_trusted_folder(settings.data_dir)
        folder = settings.audit_folder or stack.enter_context(temporary_folder()) / "audit"
        yield Ledger(
            folder,
            max_bytes=settings.audit_max_bytes,
            key_file=key_file,
            within=None if settings.audit_log else settings.data_dir,
        )


@contextmanager
def open_audit_database(settings: Settings) -> Iterator["Database"]:
    """The database with the audit log, to read it.

    Raises:
        SettingsError: there is none, psycopg is missing, or the URL is malformed.
    """
    if settings.shared_database is None:
        raise SettingsError(f"{DATABASE_URL} is not set.")
    url = usable_url(settings.shared_database)
    from connected_apps_tools.storage.postgres.database import Database

    with Database(url) as database:
        yield database


def _table(settings: Settings, database: "Database") -> Lines:
    from .audit.table import Table

    if settings.audit_key_file is None:
        raise SettingsError(
            "An audit log in the database needs --audit-key-file, the same key for all servers. Or "
            "name a folder with --audit-log."
        )
    return Table(database, settings.audit_key_file, max_bytes=settings.audit_max_bytes)


@contextmanager
def data_folder(settings: Settings) -> Iterator[Path]:
    """The data folder; temporary for a sandbox in memory.

    Raises:
        SettingsError: others can write there, or the user has no home folder.
    """
    folder = settings.data_folder
    if folder is None:
        # The apps end with the process, so their secrets need not outlive it.
        with temporary_folder() as temporary:
            yield temporary
        return
    _require_trusted_folder(folder)
    yield folder


def _require_trusted_folder(folder: Path) -> None:
    """Refuse a folder in which others can replace our folders."""
    with suppress(OSError):  # its first use reports the cause
        try:
            require_trusted(folder)
        except StoreError as error:
            raise SettingsError(f"--data-dir: {error}") from None


def open_settings_store(settings: Settings, files: FileStore, folder: Path) -> SecretStore | None:
    """The secret store that the settings describe; None if secrets are stored nowhere.

    Raises:
        SettingsError: it cannot be opened.
    """
    kind = settings.secret_store
    if kind == "auto" and settings.sandbox_in_memory:
        kind = "file"
    elif others_miss_secrets(settings):
        raise SettingsError(
            f"--secret-store {kind} is of one machine, and all replicas that share a database need "
            "the secrets. Choose aws, vault or none; or give --shared-data-dir if --data-dir "
            "is one folder for all of them."
        )
    try:
        require_usable(kind)
        return open_store(kind, files=files, index=folder / INDEX)
    except StoreError as error:
        raise SettingsError(f"--secret-store {kind}: {error}") from None


def others_miss_secrets(settings: Settings) -> bool:
    """Whether the secret store is one that the other servers do not reach."""
    is_shared = settings.shared_database is None or settings.shared_data_dir
    return settings.secret_store in ONE_MACHINE and not is_shared


def open_client(settings: Settings, sandbox: Starlette | None = None) -> ConnectedAppsClient:
    """A client of the service, or of the sandbox. Without the project's secret it refuses calls.

    Raises:
        SettingsError: the sandbox's file cannot be used, or the project id is missing.
    """
    if not settings.sandbox:
        authenticated = settings.project_secret is not None
        return ConnectedAppsClient(
            settings.credentials()
            if authenticated
            else Credentials(settings.known_project(), NO_SECRET),
            base_url=settings.base_url,
            transport=None if authenticated else _RefusesToSend(),
            deadline=settings.deadline,
        )
    from .sandbox import SANDBOX_CREDENTIALS

    sandbox = sandbox or open_settings_sandbox(settings)
    return ConnectedAppsClient(
        Credentials(SANDBOX_CREDENTIALS.project_id, SecretStr(SANDBOX_CREDENTIALS.secret)),
        base_url="http://localhost",
        transport=httpx2.ASGITransport(sandbox, raise_app_exceptions=False),
        deadline=settings.deadline,
        origin=f"sandbox {settings.sandbox_db.resolve() if settings.sandbox_db else 'in memory'}",
    )


def open_settings_sandbox(settings: Settings) -> Starlette:
    """The sandbox that the settings describe. Raises like `open_sandbox`."""
    return open_sandbox("--sandbox-db", settings.sandbox_db, kind=settings.kind)


class _RefusesToSend(httpx2.AsyncBaseTransport):
    """Refuses every request, because the project's secret is missing."""

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        refusal = NotSent(f"{SECRET} is not set")
        refusal.transient = False
        raise refusal


def secrets_command(settings: Settings) -> SecretsCommand:
    """The command that shows a person the secrets stored under these settings."""
    in_environment = not settings.sandbox and not settings.logged_in
    return SecretsCommand(
        program=program(),
        variables={PROJECT_ID: settings.known_project()} if in_environment else {},
        flags=place_flags(settings),
        fleeting=FileStore.kind if settings.temporary_data else None,
    )


def place_flags(settings: Settings) -> list[str]:
    """The flags that lead another command to the same apps and the same data."""
    given = {name: getattr(settings, name) for name in ("sandbox_db", "data_dir")}
    paths = [[flag(name), str(path.resolve())] for name, path in given.items() if path]
    profile = ["--profile", settings.profile] if settings.profile else []
    return [*(["--sandbox"] if settings.sandbox else profile), *chain.from_iterable(paths)]


def program() -> list[str]:
    """The command line of this program, short where a shell finds it."""
    program, *arguments = installed()
    return [PROGRAM if program == str(on_path()) else program, *arguments]


def open_sandbox(flag: str, database: Path | None, **options: Any) -> Starlette:  # noqa: ANN401
    """The sandbox, on a file or in memory.

    Raises:
        SettingsError: the file cannot be used. The text names `flag`.
    """
    import sqlite3

    from .sandbox import create_sandbox

    try:
        return create_sandbox(database=":memory:" if database is None else database, **options)
    except sqlite3.Error as error:
        raise SettingsError(f"{flag}: the file cannot be used as a database ({error}).") from None
