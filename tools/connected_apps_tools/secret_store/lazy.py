"""A store that is opened when it is first needed."""

from collections.abc import Callable
from functools import cached_property

from pydantic import SecretStr

from .base import Entry, SecretKey, SecretStore, StoredSecret


class LazyStore:
    """Stands for a store that takes long to open: most sessions never need a secret."""

    def __init__(self, open_store: Callable[[], SecretStore]) -> None:
        self._open_store = open_store

    @cached_property
    def _store(self) -> SecretStore:
        return self._open_store()

    @property
    def kind(self) -> str:
        """That of the store itself."""
        return self._store.kind

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

    def entries(self, project_id: str) -> list[Entry]:
        """What is kept for a project."""
        return self._store.entries(project_id)
