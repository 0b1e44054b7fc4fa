"""Goes through the apps of a project, page by page, so that memory does not grow with them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from .api import ConnectedAppsClient
from .errors import UnexpectedAnswer
from .models import ConnectedApp, PageOfApps

LARGEST = 1000
"""Apps on one page at the most (KNOWN: the service's documentation of search)."""


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


async def pages(
    api: ConnectedAppsClient, *, cursor: str | None = None, limit: int = LARGEST
) -> AsyncIterator[Page]:
    """The pages from a cursor on, each read when it is asked for.

    Raises:
        ConnectedAppsError: a page could not be read; `UnexpectedAnswer` where they go round.
    """
    while True:
        page = PageOfApps(limit=limit, cursor=cursor) if cursor else PageOfApps(limit=limit)
        answer = await api.search(page)
        total, next_cursor = answer.results_metadata.total, answer.results_metadata.next_cursor
        yield Page(
            answer.connected_apps, cursor, next_cursor or None, total if total >= 0 else None
        )
        if not next_cursor:
            return
        if next_cursor == cursor:
            raise UnexpectedAnswer("The service's pages of apps do not come to an end.")
        cursor = next_cursor
