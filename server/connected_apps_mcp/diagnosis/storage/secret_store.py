"""Checks the secret store: writes a probe, reads it and removes it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from pydantic import SecretStr

from connected_apps_mcp.diagnosis.check import Result, broken, ok
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_mcp.wiring import INDEX, SECRETS, open_settings_store, others_miss_secrets
from connected_apps_tools.secrets.stores import SecretKey, SecretStore
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage.errors import StoreError

from .folders import is_there, private_folder, usable_data_folder


def secret_store(settings: Settings) -> Iterator[Result]:
    """Whether the secret store can be written and read."""
    if settings.temporary_data:
        yield ok("Secrets are as temporary as the sandbox in memory.")
        return
    folder = usable_data_folder(settings)
    if folder is None:
        return
    with _left_as_found(folder):
        try:
            store = open_settings_store(settings, FileStore(folder / SECRETS), folder)
            if store is None:
                yield ok("Secrets are stored nowhere, as --secret-store none says.")
            else:
                _probe(store, settings.project_id or "doctor")
                yield ok(f"A probe was written to {store.where}, read and removed.")
        except (StoreError, SettingsError) as error:
            yield broken(str(error), _remedy(settings, folder))


def _probe(store: SecretStore, project_id: str) -> None:
    key = SecretKey(project_id, f"doctor-{token_hex(8)}")
    secret = SecretStr(token_hex(16))
    try:
        store.put(key, secret)
        stored = store.get(key)
        if stored is None or stored.secret != secret:
            raise StoreError(f"{store.where} did not return what was written.")
    finally:
        store.remove(key)


def _remedy(settings: Settings, folder: Path) -> str:
    kind = settings.secret_store
    if others_miss_secrets(settings):
        return "See docs/how-to/replicas.md."
    if kind in {"file", "auto"}:
        return f"{private_folder(folder / SECRETS)} Or choose another store: --secret-store"
    return (
        f"Correct what the {kind} store needs (docs/explanation/secrets.md), or choose "
        "another one: --secret-store file"
    )


@contextmanager
def _left_as_found(folder: Path) -> Iterator[None]:
    """Remove the folders that a probe makes."""
    made = [folder / SECRETS, folder / INDEX, folder, *folder.parents]
    absent = [each for each in made if not is_there(each)]
    try:
        yield
    finally:
        for each in absent:
            with suppress(OSError):  # another process uses it by now
                each.rmdir()
