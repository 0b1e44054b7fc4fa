"""A short-lived cache of the apps' ids and names, to find an app by a part of either."""

from collections.abc import Mapping
from dataclasses import dataclass

from connected_apps_tools.text.printable import nearest, printable

from .client import ConnectedAppsClient
from .pagination import AppPages
from .ttl_cache import TtlCache

SECONDS = 10.0
"""Lifetime of the cache (seconds)."""

MAX_APP_NAME = 64
MAX_APP_ID = 128
"""Most characters stored of a name or id."""

LEAST_ID_SIMILARITY = 0.9
"""Least similarity of two ids, from 0 to 1. All ids share a prefix and some digits."""


@dataclass(frozen=True)
class NamesById:
    """The names of apps by id, both printable. The names are untrusted text.

    `complete` says whether these are all apps.
    """

    by_id: Mapping[str, str]
    complete: bool


class AppNames:
    """The ids and names of the first 1,000 apps. Every method raises like `api.search`."""

    def __init__(self, api: ConnectedAppsClient) -> None:
        async def read() -> NamesById:
            first = await anext(aiter(AppPages(api)))
            by_id = {
                printable(app.client_id, MAX_APP_ID): printable(app.client_name, MAX_APP_NAME)
                for app in first.apps
            }
            return NamesById(by_id, complete=first.next_cursor is None)

        self.names = TtlCache(read, SECONDS)

    async def matching(self, part: str) -> tuple[list[str], bool]:
        """The ids of apps with `part` in their id or name, in any case; whether all were read."""
        wanted = part.casefold()
        names = await self.names()
        matching = [
            client_id
            for client_id, name in names.by_id.items()
            if wanted in client_id.casefold() or wanted in name.casefold()
        ]
        return matching, names.complete

    async def nearest_id(self, wrong_id: str) -> str | None:
        """The id of the app with this name, or the id most similar to a wrong one; else None."""
        names = (await self.names()).by_id
        for client_id, name in names.items():
            if name.casefold() == wrong_id.casefold():
                return client_id
        return nearest(wrong_id, names, min_ratio=LEAST_ID_SIMILARITY)
