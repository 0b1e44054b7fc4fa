"""A store that is opened when it is first needed."""

import threading
from collections.abc import Callable

from pydantic import SecretStr

from .base import SecretKey, SecretStore, StoredEntry, StoredSecret


class LazyStore:
    """Stands for a store that takes long to open: most sessions never need a secret."""

    def __init__(self, open_store: Callable[[], SecretStore]) -> None:
        self._open_store = open_store
        self._opened: SecretStore | None = None
        self._opening = threading.Lock()

    @property
    def _store(self) -> SecretStore:
        # Opening twice might choose twice, and differently, while a keyring is being unlocked.
        with self._opening:
            if self._opened is None:
                self._opened = self._open_store()
            return self._opened

    @property
    def kind(self) -> str:
        """That of the store itself."""
        return self._store.kind

    @property
    def where(self) -> str:
        """That of the store itself."""
        return self._store.where

    def place(self, key: SecretKey) -> str:
        """That of the store itself."""
        return self._store.place(key)

    def check(self) -> None:
        """Prove that the store can be written."""
        self._store.check()

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Keep a secret."""
        self._store.put(key, secret)

    def get(self, key: SecretKey) -> StoredSecret | None:
        """The secret, if it is kept."""
        return self._store.get(key)

    def forget(self, key: SecretKey) -> None:
        """Keep it no longer."""
        self._store.forget(key)

    def entries(self, project_id: str) -> list[StoredEntry]:
        """What is kept for a project."""
        return self._store.entries(project_id)
