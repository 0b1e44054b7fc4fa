"""A short memory of which apps there are, to recognise one by a part of its id or name."""

from collections.abc import Mapping
from dataclasses import dataclass

from connected_apps_tools.text.printable import nearest, printable

from .client import ConnectedAppsClient
from .pagination import AppPages
from .ttl_cache import TtlCache

SECONDS = 10.0
"""How long it is trusted."""

MAX_APP_NAME = 64
MAX_APP_ID = 128
"""Characters that are known of each."""

LOOKS_LIKE_AN_ID = 0.9
"""How alike two ids must be: any two share their prefix and some digits."""


@dataclass(frozen=True)
class NamesById:
    """The names of apps by id, both cleaned; the names are strangers' text.

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
        """The ids of apps whose id or name holds `part`, whatever the case, and whether of all."""
        wanted = part.casefold()
        names = await self.names()
        matching = [
            client_id
            for client_id, name in names.by_id.items()
            if wanted in client_id.casefold() or wanted in name.casefold()
        ]
        return matching, names.complete

    async def meant_by(self, wrong_id: str) -> str | None:
        """The id that a wrong one was most likely meant to be, by its looks or by its name."""
        names = (await self.names()).by_id
        for client_id, name in names.items():
            if name.casefold() == wrong_id.casefold():
                return client_id
        return nearest(wrong_id, names, min_ratio=LOOKS_LIKE_AN_ID)
