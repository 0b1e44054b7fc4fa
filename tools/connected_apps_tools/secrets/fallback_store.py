"""The secrets of one project, in the store that was chosen and in one of last resort."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, get_args

from pydantic import SecretStr

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
    """Where a secret is kept.

    Attributes:
        kind: of the store.
        words: what a person finds it by.
    """

    kind: str
    words: str

    def __str__(self) -> str:
        return self.words


class FallbackStore:
    """Where the secrets of a project are. Every method but `keep` raises `StoreError`."""

    def __init__(
        self, project_id: str, store: SecretStore | None, last_resort: SecretStore | None = None
    ) -> None:
        """Keep secrets in `store`, and where that fails at the last moment, in `last_resort`.

        Without a store nothing is kept.
        """
        self._project_id = project_id
        self._stores = [kept for kept in (store, last_resort) if kept]
        self._hanging: dict[tuple[int, SecretKey], Future[Any]] = {}

    @property
    def kind(self) -> str:
        """What the store is called."""
        return self._stores[0].kind if self._stores else "none"

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return bool(self._stores)

    @property
    def where(self) -> str:
        """Where everything is kept, in words."""
        places = dict.fromkeys(store.where for store in self._stores)
        return ", and ".join(places) or "no store (the secret store is none)"

    async def check(self) -> None:
        """Prove that the store can be written."""
        await in_thread(self._stores[0].check)

    async def keep(self, client_id: str, which: Which, secret: SecretStr) -> StorageLocation | None:
        """Put a secret into the first store that takes it and has it then; say where that is.

        Earlier ones in the other stores are forgotten.
        """
        REDACTOR.add(secret.get_secret_value())
        key = self._key(client_id, which)
        for store in self._stores:
            try:
                await self._ask(store, store.put, key, secret)
                stored = await self._ask(store, store.get, key)
            except StoreError as error:
                logger.error("The secret store %s failed: %s", store.kind, error)
                continue
            if stored and stored.secret == secret:
                await self._forget_earlier(key, store)
                return StorageLocation(store.kind, store.place(key))
            logger.error("The secret store %s does not have what it took.", store.kind)
        return None

    async def get(self, client_id: str, which: Which = "current") -> StoredSecret | None:
        """The secret that is kept, the latest where both stores have one.

        Where a store cannot be read, nothing is: it might have a later one.
        """
        kept, problems = await self._read(self._key(client_id, which))
        for problem in problems:
            raise problem
        return max(kept, key=_when, default=None)

    async def find(
        self, client_id: str, which: Which, last_four: str | None
    ) -> StoredSecret | None:
        """The secret that the service tells the last four of, if it is kept.

        A damaged one is none: there is nothing left of it to lose.
        """
        if last_four is None:
            return None
        kept, problems = await self._read(self._key(client_id, which))
        for stored in kept:
            if stored.last_four == last_four:
                return stored
        for problem in problems:
            if not isinstance(problem, DamagedSecret):
                raise problem
        return None

    async def _read(self, key: SecretKey) -> tuple[list[StoredSecret], list[StoreError]]:
        kept, problems = [], []
        for store in self._stores:
            try:
                stored = await self._ask(store, store.get, key)
            except StoreError as error:
                problems.append(error)
                continue
            if stored:
                REDACTOR.add(stored.secret.get_secret_value())
                kept.append(stored)
        return kept, problems

    async def entries(self) -> list[StoredEntry]:
        """What is kept, without a secret; the latest where both stores have one.

        Raises:
            PartlyListed: a store could not be read, or a secret is damaged.
        """
        found: list[StoredEntry] = []
        problems: list[StoreError] = []
        for store in self._stores:
            try:
                found += await in_thread(store.entries, self._project_id)
            except StoreError as error:
                found += error.entries if isinstance(error, PartlyListed) else []
                problems.append(error)
        latest = {entry.key: entry for entry in sorted(found, key=_when)}
        entries = sorted(latest.values(), key=lambda entry: (entry.client_id, entry.which))
        if problems:
            raise PartlyListed(entries, problems)
        return entries

    async def forget(self, client_id: str, *which: Which) -> None:
        """Keep a secret no longer, where that is possible; of none given, none of the app's."""
        problems: list[StoreError] = []
        for each in which or get_args(Which):
            for store in self._stores:
                try:
                    await self._ask(store, store.forget, self._key(client_id, each))
                except StoreError as error:
                    problems.append(error)
        for problem in problems:
            raise problem

    async def _forget_earlier(self, key: SecretKey, kept_in: SecretStore) -> None:
        """Forget what the other stores have under a key: this one has the latest."""

        def forget_in(key: SecretKey, other: SecretStore) -> None:
            # The last resort may be what was chosen all along.
            if other.place(key) != kept_in.place(key):
                other.forget(key)

        for other in self._stores:
            try:
                await self._ask(other, forget_in, key, other)
            except StoreError as error:
                logger.warning("An earlier secret may stay in the store: %s", error)

    async def _ask(
        self, store: SecretStore, act: Callable[..., T], key: SecretKey, *more: object
    ) -> T:
        """Let a store do something with a key that nothing else may yet be done with."""
        earlier = self._hanging.get((id(store), key))
        if earlier and not earlier.done():
            raise StoreError("an earlier act with this secret has not come to its end")

        def leave(outcome: Future[T]) -> None:
            self._hanging[id(store), key] = outcome

        return await in_thread(act, key, *more, on_abandoned=leave)

    def _key(self, client_id: str, which: Which) -> SecretKey:
        return SecretKey(self._project_id, client_id, which)


def _when(entry: StoredEntry) -> datetime:
    return entry.stored_at
