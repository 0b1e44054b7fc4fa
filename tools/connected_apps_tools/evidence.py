"""Looks for signs of an act whose outcome is not known."""

from collections.abc import AsyncIterator, Sequence

from .api import ConnectedAppsClient
from .errors import ConnectedAppsError, UnexpectedAnswer
from .journal import Intent
from .models import ConnectedApp
from .pages import LARGEST, pages
from .safe import Safe
from .secret_store import StoreError, Which
from .text import printable

NAMED = 20
"""Apps that a report names at the most."""

MAX_PAGES = 10
"""Pages of 1,000 apps that are searched."""

MENDED = "A rotation gives the app a new secret (start_secret_rotation); delete_app removes it."
LOOK = "Look with search_apps or get_app before you try again."


async def signs(
    api: ConnectedAppsClient, safe: Safe, intent: Intent
) -> AsyncIterator[ConnectedApp]:
    """The apps on which an intent may have been carried out unseen.

    Those are apps that fit it and have a secret that is not kept here.
    """
    async for app in _that_fit(api, intent):
        last_fours: dict[Which, str | None] = {
            "current": app.client_secret_last_four,
            "next": app.next_client_secret_last_four,
        }
        which: Which = "current" if intent.act == "create_app" else "next"
        last_four = last_fours[which]
        if last_four and not await safe.find(app.client_id, which, last_four):
            yield app


async def _that_fit(api: ConnectedAppsClient, intent: Intent) -> AsyncIterator[ConnectedApp]:
    if intent.client_id:
        if app := await api.find(intent.client_id):
            yield app
        return
    read = 0
    async for page in pages(api):
        if read == MAX_PAGES:
            raise UnexpectedAnswer(f"There are more than {read * LARGEST} apps to look through.")
        for app in page.apps:
            if (app.client_name, app.client_type) == (intent.client_name, intent.client_type):
                yield app
        read += 1


async def what_can_be_seen(api: ConnectedAppsClient, safe: Safe, intent: Intent) -> str:
    """Say in a sentence or two what there is to see, and what to do."""
    try:
        found = [app async for app in signs(api, safe, intent)]
    except (ConnectedAppsError, StoreError):
        return f"It may have been carried out; looking for signs of it failed. {LOOK}"
    if not found:
        return f"It may have been carried out, though there is no sign of it yet. {LOOK}"
    return f"It may have been carried out: {some(found)} fits, with a secret not kept. {MENDED}"


def some(apps: Sequence[ConnectedApp]) -> str:
    """The first few of the apps, and how many more there are."""
    named = [f"{app.client_id} ({printable(app.client_name, 64)})" for app in apps[:NAMED]]
    more = len(apps) - len(named)
    return ", ".join(named) + (f" or one of {more} more" if more else "")
