"""A store that is opened on first use."""

import threading
from collections.abc import Callable

from pydantic import SecretStr

from .base import SecretKey, SecretStore, StoredEntry, StoredSecret


class LazyStore:
    """Delays the opening of a slow store: most sessions never need a secret."""

    def __init__(self, open_store: Callable[[], SecretStore]) -> None:
        self._open_store = open_store
        self._opened: SecretStore | None = None
        self._opening = threading.Lock()

    @property
    def _store(self) -> SecretStore:
        # Opening twice could choose two different stores while a keyring is being unlocked.
        with self._opening:
            if self._opened is None:
                self._opened = self._open_store()
            return self._opened

    @property
    def kind(self) -> str:
        """As in the opened store."""
        return self._store.kind

    @property
    def where(self) -> str:
        """As in the opened store."""
        return self._store.where

    def location(self, key: SecretKey) -> str:
        """As in the opened store."""
        return self._store.location(key)

    def check(self) -> None:
        """Check that the store can be written."""
        self._store.check()

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Store a secret."""
        self._store.put(key, secret)

    def get(self, key: SecretKey) -> StoredSecret | None:
        """The secret; None if there is none."""
        return self._store.get(key)

    def remove(self, key: SecretKey) -> None:
        """Remove a secret."""
        self._store.remove(key)

    def entries(self, project_id: str) -> list[StoredEntry]:
        """The entries of a project."""
        return self._store.entries(project_id)
