"""A short memory of which apps there are, to recognise one by a part of its id or name."""

from collections.abc import Mapping

from .api import ConnectedAppsClient
from .pages import pages
from .remembered import Remembered
from .text import nearest, printable

SECONDS = 10.0
"""How long it is trusted."""

MAX_NAME = 64

LOOKS_LIKE_AN_ID = 0.9
"""How alike two ids must be: any two share their prefix and some digits."""


class Directory:
    """The ids and names of the first 1,000 apps. Every method raises like `api.search`."""

    def __init__(self, api: ConnectedAppsClient) -> None:
        async def read() -> Mapping[str, str]:
            first = await anext(pages(api))
            return {app.client_id: printable(app.client_name, MAX_NAME) for app in first.apps}

        self.names = Remembered(read, SECONDS)
        """The names by id, cleaned; they are strangers' text."""

    async def matching(self, part: str) -> list[str]:
        """The ids of the apps whose id or name holds `part`, whatever the case."""
        wanted = part.casefold()
        return [
            client_id
            for client_id, name in (await self.names()).items()
            if wanted in client_id.casefold() or wanted in name.casefold()
        ]

    async def meant_by(self, wrong_id: str) -> str | None:
        """The id that a wrong one was most likely meant to be, by its looks or by its name."""
        names = await self.names()
        for client_id, name in names.items():
            if name.casefold() == wrong_id.casefold():
                return client_id
        return nearest(wrong_id, names, alike=LOOKS_LIKE_AN_ID)
