"""Goes through the apps of a project, page by page, so that memory does not grow with them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from connected_apps_tools.errors import ConnectedAppsError

from .client import ConnectedAppsClient
from .models import ConnectedApp, PageOfApps

LARGEST = 1000
"""Apps on one page at the most (KNOWN: the service's documentation of search)."""

ENDLESS = "The service's pages do not come to an end: there may be more apps than these."

End = Literal["end", "deadline", "empty_page", "cycle"]
"""Why a walk ended: after the last app, by the call's deadline, at an empty page that names a next
one, or at a page that was there before.
"""


@dataclass(frozen=True)
class Page:
    """One page of a search.

    Attributes:
        apps: what is on it.
        cursor: where it begins; None for the first.
        next_cursor: where the next one begins; None after the last.
        total: how many apps there are; None where the workspace has totals switched off.
    """

    apps: list[ConnectedApp]
    cursor: str | None
    next_cursor: str | None
    total: int | None


class AppPages:
    """A walk over the pages from a cursor on, each read when it is asked for.

    It always ends: a service that names ever new pages without apps, or pages in a circle, ends it.

    Attributes:
        ended: why it ended.
        cursor: where it would go on; None at the end, and where going on leads nowhere.
    """

    def __init__(
        self, api: ConnectedAppsClient, *, cursor: str | None = None, limit: int = LARGEST
    ) -> None:
        self.ended: End = "end"
        self.cursor = cursor
        self._api = api
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[Page]:
        """The pages.

        Raises:
            ConnectedAppsError: a page could not be read. The deadline is no error once a page was.
        """
        milestone, count = "", 0  # Brent's way to find a circle without remembering every cursor
        while True:
            try:
                page = await self._read()
            except ConnectedAppsError as error:
                if count and error.late:
                    self.ended = "deadline"
                    return
                raise
            yield page
            count += 1
            self.cursor = page.next_cursor
            if self.cursor is None:
                return
            if self.cursor == milestone:
                self.ended, self.cursor = "cycle", None
                return
            if not page.apps:
                self.ended = "empty_page"
                return
            if count & (count - 1) == 0:
                milestone = self.cursor

    async def _read(self) -> Page:
        request = PageOfApps(limit=self._limit)
        if self.cursor:
            request = PageOfApps(limit=self._limit, cursor=self.cursor)
        answer = await self._api.search(request)
        total, next_cursor = answer.results_metadata.total, answer.results_metadata.next_cursor
        return Page(
            answer.connected_apps, self.cursor, next_cursor or None, total if total >= 0 else None
        )
