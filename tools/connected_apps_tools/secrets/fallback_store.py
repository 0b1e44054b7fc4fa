"""The secrets of one project, in the chosen store or in a fallback store."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, get_args

from pydantic import SecretStr

from connected_apps_tools import observing
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.text.redaction import REDACTOR

from .stores import (
    DamagedSecret,
    PartlyListed,
    SecretKey,
    SecretStore,
    StoredEntry,
    StoredSecret,
    Which,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class StorageLocation:
    """Where a secret is stored.

    Attributes:
        kind: the kind of the store.
        text: the location for a person.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


class FallbackStore:
    """The stored secrets of a project. Every method except `put` raises `StoreError`."""

    def __init__(
        self, project_id: str, store: SecretStore | None, fallback: SecretStore | None = None
    ) -> None:
        """Store secrets in `store`, or in `fallback` if that fails; without a store, nowhere."""
        self._project_id = project_id
        self._stores = [each for each in (store, fallback) if each]
        self._unfinished: dict[tuple[int, SecretKey], Future[Any]] = {}

    @property
    def kind(self) -> str:
        """The kind of the chosen store."""
        return self._stores[0].kind if self._stores else "none"

    @property
    def has_store(self) -> bool:
        """Whether secrets are stored at all."""
        return bool(self._stores)

    @property
    def where(self) -> str:
        """Where the secrets are stored, for a person."""
        places = dict.fromkeys(store.where for store in self._stores)
        return ", and ".join(places) or "no store (the secret store is none)"

    async def check(self) -> None:
        """Check that the store can be written."""
        with observing.act("secret_store", operation="check"):
            await in_thread(self._stores[0].check)

    async def put(self, client_id: str, which: Which, secret: SecretStr) -> StorageLocation | None:
        """Store a secret in the first store that takes it and returns it; None if none does.

        Earlier secrets in the other stores are removed.
        """
        REDACTOR.add(secret.get_secret_value())
        key = self._key(client_id, which)
        for store in self._stores:
            try:
                await self._run(store, store.put, key, secret)
                stored = await self._run(store, store.get, key)
            except StoreError as error:
                logger.error("The secret store %s failed: %s", store.kind, error)
                continue
            if stored and stored.secret == secret:
                await self._remove_earlier(key, store)
                return StorageLocation(store.kind, store.location(key))
            logger.error("The secret store %s did not return what was put.", store.kind)
        return None

    async def get(self, client_id: str, which: Which = "current") -> StoredSecret | None:
        """The stored secret; the latest one if both stores have one.

        It fails if one store cannot be read: that one might have a later secret.
        """
        found, problems = await self._read(self._key(client_id, which))
        for problem in problems:
            raise problem
        return max(found, key=_stored_at, default=None)

    async def find(
        self, client_id: str, which: Which, last_four: str | None
    ) -> StoredSecret | None:
        """The stored secret with these last four characters; None if there is none.

        A damaged secret does not count: nothing of it can be lost.
        """
        if last_four is None:
            return None
        found, problems = await self._read(self._key(client_id, which))
        for stored in found:
            if stored.last_four == last_four:
                return stored
        for problem in problems:
            if not isinstance(problem, DamagedSecret):
                raise problem
        return None

    async def _read(self, key: SecretKey) -> tuple[list[StoredSecret], list[StoreError]]:
        found, problems = [], []
        for store in self._stores:
            try:
                stored = await self._run(store, store.get, key)
            except StoreError as error:
                problems.append(error)
                continue
            if stored:
                REDACTOR.add(stored.secret.get_secret_value())
                found.append(stored)
        return found, problems

    async def entries(self) -> list[StoredEntry]:
        """The entries of the stored secrets; the latest one if both stores have one.

        Raises:
            PartlyListed: a store could not be read, or a secret is damaged.
        """
        found: list[StoredEntry] = []
        problems: list[StoreError] = []
        for store in self._stores:
            try:
                with observing.act("secret_store", operation="list"):
                    found += await in_thread(store.entries, self._project_id)
            except StoreError as error:
                found += error.entries if isinstance(error, PartlyListed) else []
                problems.append(error)
        latest = {entry.key: entry for entry in sorted(found, key=_stored_at)}
        entries = sorted(latest.values(), key=lambda entry: (entry.client_id, entry.which))
        if problems:
            raise PartlyListed(entries, problems)
        return entries

    async def remove(self, client_id: str, *which: Which) -> None:
        """Remove a stored secret of an app, or both. Try every store before raising."""
        problems: list[StoreError] = []
        for each in which or get_args(Which):
            for store in self._stores:
                try:
                    await self._run(store, store.remove, self._key(client_id, each))
                except StoreError as error:
                    problems.append(error)
        for problem in problems:
            raise problem

    async def _remove_earlier(self, key: SecretKey, latest: SecretStore) -> None:
        """Remove the secret of a key from the other stores: `latest` has the latest one."""

        def remove(key: SecretKey, other: SecretStore) -> None:
            # Both may be the same place.
            if other.location(key) != latest.location(key):
                other.remove(key)

        for other in self._stores:
            try:
                await self._run(other, remove, key, other)
            except StoreError as error:
                logger.warning("An earlier secret may still be stored: %s", error)

    async def _run(
        self, store: SecretStore, operation: Callable[..., T], key: SecretKey, *more: object
    ) -> T:
        """Run an operation of a store, if an earlier one with the same key has ended."""
        earlier = self._unfinished.get((id(store), key))
        if earlier and not earlier.done():
            raise StoreError("an earlier operation with this secret has not ended yet")

        def on_abandoned(outcome: Future[T]) -> None:
            self._unfinished[id(store), key] = outcome

        with observing.act("secret_store", operation=operation.__name__):
            return await in_thread(operation, key, *more, on_abandoned=on_abandoned)

    def _key(self, client_id: str, which: Which) -> SecretKey:
        return SecretKey(self._project_id, client_id, which)


def _stored_at(entry: StoredEntry) -> datetime:
    return entry.stored_at
