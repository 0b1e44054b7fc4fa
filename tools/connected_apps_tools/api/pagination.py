"""Reads the apps of a project page by page, without holding all of them in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from connected_apps_tools.errors import ConnectedAppsError

from .client import ConnectedAppsClient
from .models import ConnectedApp, PageOfApps

MAX_PAGE_SIZE = 1000
"""Most apps on one page (KNOWN: the service's documentation of search)."""

ENDLESS_PAGES = "The service's pages do not end: there may be more apps than these."

End = Literal["end", "deadline", "empty_page", "cycle"]
"""Why a walk ended: after the last app, at the call's deadline, at an empty page with a next
cursor, or at a page that it read before.
"""


@dataclass(frozen=True)
class Page:
    """One page of a search.

    Attributes:
        apps: the apps on the page.
        cursor: the start of the page; None for the first.
        next_cursor: the start of the next page; None after the last.
        total: number of all apps; None if the workspace has totals switched off.
    """

    apps: list[ConnectedApp]
    cursor: str | None
    next_cursor: str | None
    total: int | None


class AppPages:
    """A walk over the pages, starting at a cursor. Each page is read when it is needed.

    It always ends, also if the service returns pages without apps or in a cycle.

    Attributes:
        ended: why it ended.
        cursor: where to continue; None at the end and in a cycle.
    """

    def __init__(
        self, api: ConnectedAppsClient, *, cursor: str | None = None, limit: int = MAX_PAGE_SIZE
    ) -> None:
        self.ended: End = "end"
        self.cursor = cursor
        self._api = api
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[Page]:
        """The pages.

        Raises:
            ConnectedAppsError: a page could not be read. After the first page, the deadline only
                ends the walk.
        """
        milestone, count = "", 0  # Brent's algorithm finds a cycle without storing every cursor
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
        response = await self._api.search(request)
        metadata = response.results_metadata
        total, next_cursor = metadata.total, metadata.next_cursor
        return Page(
            response.connected_apps, self.cursor, next_cursor or None, total if total >= 0 else None
        )
