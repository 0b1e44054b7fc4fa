"""Stores secrets in the keyring of the operating system."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder

from .base import SecretKey, StoredEntry, StoredSecret, error_name, list_entries, store_errors

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "connected-apps-mcp"
PROBE = "probe"
"""The item that `check` writes. Names of secrets contain slashes, so none has this name."""

KEYRING_SECONDS = 20.0
"""Timeout of the keyring. A person may have to unlock it."""

BUS_VARIABLE = "DBUS_SESSION_BUS_ADDRESS"
"""The address of the session bus, on which Linux has its keyring."""

_ATTEMPTS = 5

_NOT_REAL = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""Backends that store nothing, store plain text, or ask for a password on the terminal."""

_LOCKED = "is locked: unlock it, or choose another secret store."
_KEYRING_ADVICE = {
    "KeyringLocked": _LOCKED,
    "LockedException": _LOCKED,
    "PromptDismissedException": _LOCKED,
    "TimeoutError": "did not respond in time: unlock it, or choose another secret store.",
}

_T = TypeVar("_T")

_one_at_a_time = threading.Lock()
"""Each operation opens a connection, and a busy Secret Service refuses some of many."""


class KeyringItem:
    """One item of the OS keyring. Every method raises `StoreError`, and blocks."""

    def __init__(self, user: str, timeout: float = KEYRING_SECONDS) -> None:
        self.user = user
        self._timeout = timeout

    def read(self) -> str | None:
        """The text of the item; None where there is no item."""
        return self._run(lambda backend: backend.get_password(SERVICE, self.user))

    def write(self, text: str) -> None:
        """Write the item, and replace an earlier one."""
        self._run(lambda backend: backend.set_password(SERVICE, self.user, text))

    def remove(self) -> None:
        """Delete the item. It is no error if there is none."""
        self._run(lambda backend: _delete(backend, self.user))

    def _run(self, operation: Callable[[KeyringBackend], _T]) -> _T:
        return _run_operation(operation, self._timeout)


class KeyringStore:
    """One item of the OS keyring per secret.

    A keyring cannot list its items, so an index stores their names. A name is written before its
    secret and removed after it: every secret is listed, even if a process dies. A name without a
    secret is skipped, and stays, since its secret may be about to be written.
    """

    kind = "keyring"

    def __init__(self, index: PrivateFolder, timeout: float = KEYRING_SECONDS) -> None:
        self._index = index
        self._timeout = timeout

    @property
    def where(self) -> str:
        """The name of the service."""
        return f"the OS keyring, service {SERVICE}"

    def location(self, key: SecretKey) -> str:
        """The name of the item."""
        return f"the OS keyring, service {SERVICE}, user {_user(key)}"

    def check(self) -> None:
        """Write an item and an index, and delete them."""
        self._index.check()
        probe = KeyringItem(PROBE, self._timeout)
        probe.write(PROBE)
        probe.remove()

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Write the item."""
        stored = StoredSecret.now(key, secret)
        self._index.write(key.file_name, stored.without_secret().model_dump_json())
        self._item(key).write(stored.document())

    def get(self, key: SecretKey) -> StoredSecret | None:
        """Read the item."""
        document = self._item(key).read()
        return None if document is None else StoredSecret.from_document(key, document)

    def remove(self, key: SecretKey) -> None:
        """Delete the item."""
        self._item(key).remove()
        self._index.remove(key.file_name)

    def entries(self, project_id: str) -> list[StoredEntry]:
        """Read the items of the project that the index names.

        Entries come from the items. The index has only the names.
        """
        keys = map(SecretKey.of_file_name, self._index.names())
        return list_entries(keys, project_id, self.get)

    def _item(self, key: SecretKey) -> KeyringItem:
        return KeyringItem(_user(key), self._timeout)


def require_backend(timeout: float = 5.0) -> None:
    """Check that there is a real keyring. It may be locked.

    Raises:
        StoreError: there is none, or finding it timed out.
    """
    _run_operation(lambda _: None, timeout)


def real_backend(timeout: float = 3.0) -> bool:
    """Whether there is a real keyring that responds in time.

    A locked one may ask its owner to unlock it, and counts if it is unlocked in time.
    """
    try:
        _run_operation(lambda backend: backend.get_password(SERVICE, PROBE), timeout)
    except StoreError:
        return False
    return True


def _run_operation(operation: Callable[[KeyringBackend], _T], timeout: float) -> _T:
    """Run an operation of the keyring, with a timeout.

    A Secret Service waits without limit for a person to unlock it, and a call cannot be cancelled.
    So it runs in a daemon thread, which does not keep the process alive.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            with _one_at_a_time:
                outcome.set_result(_retried(operation, _backend()))
        except Exception as error:  # noqa: BLE001 - it is raised where the outcome is awaited
            outcome.set_exception(error)

    with store_errors("The OS keyring", _KEYRING_ADVICE):
        threading.Thread(target=run, name=f"{SERVICE}-keyring", daemon=True).start()
        return outcome.result(timeout=timeout)


def _retried(operation: Callable[[KeyringBackend], _T], backend: KeyringBackend) -> _T:
    """Run an operation again if another process deleted the item that was just found."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return operation(backend)
        except Exception as error:
            if error_name(error) != "ItemNotFoundException":
                raise
    return operation(backend)


def _find_session_bus() -> None:
    """Name the session bus where the environment does not, since many clients do not pass it on."""
    if sys.platform != "linux":
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    bus = Path(runtime) / "bus"  # where systemd has it
    if BUS_VARIABLE not in os.environ and bus.is_socket() and bus.stat().st_uid == os.geteuid():
        os.environ[BUS_VARIABLE] = f"unix:path={bus}"


def _backend() -> KeyringBackend:
    _find_session_bus()
    import keyring
    from keyring.backends.chainer import ChainerBackend

    chosen = keyring.get_keyring()
    # Use only the first real backend of a chain: others may store plain text.
    links = chosen.backends if isinstance(chosen, ChainerBackend) else [chosen]
    for link in links:
        if not type(link).__module__.startswith(_NOT_REAL):
            return link
    raise StoreError(
        "There is no OS keyring for secrets: start one (on Linux a Secret Service such as "
        "gnome-keyring, in the session of this process), or choose another secret store."
    )


def _delete(backend: KeyringBackend, user: str) -> None:
    from keyring.errors import PasswordDeleteError

    try:
        backend.delete_password(SERVICE, user)
    except PasswordDeleteError:
        # Some backends raise this both for a missing item and for one that they cannot delete.
        if backend.get_password(SERVICE, user) is not None:
            raise


def _user(key: SecretKey) -> str:
    return "/".join(key.segments)
