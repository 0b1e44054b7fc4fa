"""Secrets in the keyring of the operating system."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder

from .base import SecretKey, StoredEntry, StoredSecret, failures, listed, name_of

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "connected-apps-mcp"
PROBE = "probe"
"""What `check` writes; no secret has this name, since each of theirs holds slashes."""

PATIENCE_SECONDS = 20.0
"""Time for a keyring to answer, in which a person may unlock it."""

_ATTEMPTS = 5

_NOT_REAL = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""Backends that keep nothing, keep it readable, or ask for a password on the terminal."""

_LOCKED = "is locked: unlock it, or choose another secret store."
_ADVICE = {
    "KeyringLocked": _LOCKED,
    "LockedException": _LOCKED,
    "PromptDismissedException": _LOCKED,
    "TimeoutError": "did not answer in time: unlock it, or choose another secret store.",
}

_T = TypeVar("_T")

_one_at_a_time = threading.Lock()
"""Every question opens a connection of its own, and a busy Secret Service refuses some of many."""


class KeyringStore:
    """One item of the OS keyring a secret.

    A keyring cannot list its items, so their names are kept in an index. A name is written before
    its secret and removed after it: whenever a process dies, no secret is left that is not listed.
    A name whose secret is missing is passed over, and stays, since its secret may be on its way.
    """

    kind = "keyring"

    def __init__(self, index: PrivateFolder, patience: float = PATIENCE_SECONDS) -> None:
        self._index = index
        self._patience = patience

    @property
    def where(self) -> str:
        """The name of the service."""
        return f"the OS keyring, service {SERVICE}"

    def place(self, key: SecretKey) -> str:
        """The name of the item."""
        return f"the OS keyring, service {SERVICE}, user {_user(key)}"

    def check(self) -> None:
        """Write an item and an index, and delete them."""
        self._index.check()
        self._ask(lambda backend: backend.set_password(SERVICE, PROBE, PROBE))
        self._ask(lambda backend: _delete(backend, PROBE))

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Write the item."""
        stored = StoredSecret.now(key, secret)
        self._index.write(key.file_name, stored.entry().model_dump_json())
        self._ask(lambda backend: backend.set_password(SERVICE, _user(key), stored.document()))

    def get(self, key: SecretKey) -> StoredSecret | None:
        """Read the item."""
        document = self._ask(lambda backend: backend.get_password(SERVICE, _user(key)))
        return None if document is None else StoredSecret.from_document(key, document)

    def forget(self, key: SecretKey) -> None:
        """Delete the item."""
        self._ask(lambda backend: _delete(backend, _user(key)))
        self._index.remove(key.file_name)

    def entries(self, project_id: str) -> list[StoredEntry]:
        """Read every item of the project that the index names.

        What is told of a secret comes from its item: the index tells only where to look.
        """
        keys = map(SecretKey.of_file_name, self._index.names())
        return listed(keys, project_id, self.get)

    def _ask(self, question: Callable[[KeyringBackend], _T]) -> _T:
        return _answer(question, self._patience)


def require_backend(patience: float = 5.0) -> None:
    """See that there is a keyring that keeps secrets. It may be locked.

    Raises:
        StoreError: there is none, or it cannot be found in time.
    """
    _answer(lambda _: None, patience)


def real_backend(patience: float = 3.0) -> bool:
    """Whether there is a keyring that keeps secrets, and that answers in time.

    A locked one may ask its owner to unlock it, and counts when it is unlocked in time.
    """
    try:
        _answer(lambda backend: backend.get_password(SERVICE, PROBE), patience)
    except StoreError:
        return False
    return True


def _answer(question: Callable[[KeyringBackend], _T], patience: float) -> _T:
    """What the keyring answers.

    A Secret Service waits without end for a person to unlock it, and a call to it cannot be given
    up. So it is made in a thread of its own, which may stay behind and keeps no process alive.
    """
    answer: Future[_T] = Future()

    def ask() -> None:
        try:
            with _one_at_a_time:
                answer.set_result(_persistently(question, _backend()))
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)

    with failures("The OS keyring", _ADVICE):
        threading.Thread(target=ask, name=f"{SERVICE}-keyring", daemon=True).start()
        return answer.result(timeout=patience)


def _persistently(question: Callable[[KeyringBackend], _T], backend: KeyringBackend) -> _T:
    """The answer, asked for again where another process deleted the item that was just found."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return question(backend)
        except Exception as error:
            if name_of(error) != "ItemNotFoundException":
                raise
    return question(backend)


def _backend() -> KeyringBackend:
    import keyring
    from keyring.backends.chainer import ChainerBackend

    chosen = keyring.get_keyring()
    # A chain is asked for its first real link only: the others may keep secrets readable.
    links = chosen.backends if isinstance(chosen, ChainerBackend) else [chosen]
    for link in links:
        if not type(link).__module__.startswith(_NOT_REAL):
            return link
    raise StoreError(
        "There is no OS keyring that keeps secrets: start one (on Linux a Secret Service such as "
        "gnome-keyring, in the session of this process), or choose another secret store."
    )


def _delete(backend: KeyringBackend, user: str) -> None:
    from keyring.errors import PasswordDeleteError

    try:
        backend.delete_password(SERVICE, user)
    except PasswordDeleteError:
        # Some backends say so of an item that is not there, and of one that they cannot delete.
        if backend.get_password(SERVICE, user) is not None:
            raise


def _user(key: SecretKey) -> str:
    return "/".join(key.segments)
