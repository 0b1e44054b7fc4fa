"""The secrets of one project, in the store that was chosen and in one of last resort."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import anyio
from anyio import to_thread
from pydantic import SecretStr

from .scrubber import SCRUBBER
from .secret_store import Entry, SecretKey, SecretStore, StoredSecret, StoreError, Which

logger = logging.getLogger(__name__)

T = TypeVar("T")

STORE_SECONDS = 25.0
"""How long one act of a store may take: a person may have to unlock a keyring."""


class Safe:
    """Where the secrets of a project are. Every method raises `StoreError`."""

    def __init__(
        self, project_id: str, store: SecretStore | None, last_resort: SecretStore | None = None
    ) -> None:
        """Keep secrets in `store`, and where that fails at the last moment, in `last_resort`.

        Without a store nothing is kept.
        """
        self._project_id = project_id
        self._stores = [kept for kept in (store, last_resort) if kept]

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return bool(self._stores)

    async def check(self) -> None:
        """Prove that the store can be written."""
        await in_thread(self._stores[0].check)

    async def keep(self, client_id: str, which: Which, secret: SecretStr) -> str | None:
        """Put a secret into the first store that takes it and has it then; say where that is."""
        SCRUBBER.learn(secret.get_secret_value())
        key = self._key(client_id, which)
        for store in self._stores:
            try:
                await in_thread(store.put, key, secret)
                stored = await in_thread(store.get, key)
            except StoreError as error:
                logger.error("The secret store %s failed: %s", store.kind, error)
                continue
            if stored and stored.secret == secret:
                return store.place(key)
            logger.error("The secret store %s does not have what it took.", store.kind)
        return None

    async def get(self, client_id: str, which: Which = "current") -> StoredSecret | None:
        """The secret that is kept, the latest where both stores have one."""
        key = self._key(client_id, which)
        found = [await in_thread(store.get, key) for store in self._stores]
        kept = [stored for stored in found if stored]
        for stored in kept:
            SCRUBBER.learn(stored.secret.get_secret_value())
        return max(kept, key=_when, default=None)

    async def entries(self) -> list[Entry]:
        """What is kept, without a secret; the latest where both stores have one."""
        found = [await in_thread(store.entries, self._project_id) for store in self._stores]
        latest = {
            entry.key: entry
            for entry in sorted((e for entries in found for e in entries), key=_when)
        }
        return sorted(latest.values(), key=lambda entry: (entry.client_id, entry.which))

    async def forget(self, client_id: str, *which: Which) -> None:
        """Keep a secret no longer; of none given, none of the app's."""
        for each in which or ("current", "next"):
            for store in self._stores:
                await in_thread(store.forget, self._key(client_id, each))

    def _key(self, client_id: str, which: Which) -> SecretKey:
        return SecretKey(self._project_id, client_id, which)


def _when(entry: Entry) -> datetime:
    return entry.stored_at


async def in_thread(act: Callable[..., T], *arguments: object) -> T:
    """Let a store or the journal do something, for a bounded time.

    Raises:
        StoreError: it failed, in whatever way.
    """
    try:
        with anyio.fail_after(STORE_SECONDS):
            return await to_thread.run_sync(act, *arguments, abandon_on_cancel=True)
    except StoreError:
        raise
    except TimeoutError:
        raise StoreError(f"no answer within {STORE_SECONDS:g} seconds") from None
    except Exception as error:  # noqa: BLE001 - a library may raise anything, and say anything in it
        raise StoreError(f"it failed unexpectedly ({type(error).__name__})") from None
