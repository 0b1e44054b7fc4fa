"""The stores for client secrets, which the service shows only once.

A store is synchronous, because its backend is: call it from a worker thread.
"""

from pathlib import Path
from typing import get_args

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder

from .base import (
    DamagedSecret,
    PartlyListed,
    SecretKey,
    SecretStore,
    StoredEntry,
    StoredSecret,
    StoreKind,
    Which,
)
from .files import FileStore
from .lazy import LazyStore

__all__ = [
    "DamagedSecret",
    "PartlyListed",
    "SecretKey",
    "SecretStore",
    "StoreKind",
    "StoredEntry",
    "StoredSecret",
    "Which",
    "open_store",
    "require_usable",
]


def require_usable(kind: StoreKind) -> None:
    """Check that this machine has what a store needs, without using the store.

    Raises:
        StoreError: something is missing. The text says what to do.
    """
    match kind:
        case "aws":
            from .aws import require_settings

            require_settings()
        case "vault":
            from .installation import require_library

            require_library(kind)
        case "keyring":
            from .os_keyring import require_backend

            require_backend()


def open_store(kind: StoreKind, *, files: FileStore, index: Path) -> SecretStore | None:
    """The store of a kind; None for "none".

    Args:
        kind: auto is the OS keyring if a real one responds, else `files`.
        files: the file store.
        index: a folder for the list of the items in the keyring.

    Raises:
        StoreError: it cannot be opened, or the kind is unknown.
    """
    match kind:
        case "none":
            return None
        case "file":
            return files
        case "aws":
            from .aws import AwsStore

            return AwsStore()
        case "vault":
            from .vault import VaultStore

            return VaultStore.from_environment()
        case "keyring":
            return _open_keyring(index)
        case "auto":
            return LazyStore(lambda: _open_keyring(index) if _has_keyring() else files)
    raise StoreError(f"There is no such store: choose one of {', '.join(get_args(StoreKind))}.")


def _open_keyring(index: Path) -> SecretStore:
    from .os_keyring import KeyringStore

    return KeyringStore(PrivateFolder(index, within=index.parent))


def _has_keyring() -> bool:
    from .os_keyring import real_backend

    return real_backend()
