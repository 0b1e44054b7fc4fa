"""Looks for signs of an act whose outcome is not known."""

import unicodedata
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.api.pagination import MAX_PAGE_SIZE, AppPages
from connected_apps_tools.errors import ConnectedAppsError, UnexpectedAnswer
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.printable import printable
from connected_apps_tools.text.redaction import REDACTOR

from .fallback_store import FallbackStore
from .journal import Intent
from .stores import Which

NAMED = 20
"""Apps that a report names at the most."""

MAX_REPORTED_ID = 200
"""Characters of an id that are shown."""

MAX_PAGES = 10
"""Pages of 1,000 apps that are searched."""

MENDED = "A rotation gives the app a new secret (start_secret_rotation); delete_app removes it."
LOOK = "Look with search_apps or get_app before you try again."


class Candidates(NamedTuple):
    """The apps on which an intent may have been carried out.

    Attributes:
        lost: those that have a secret which is not kept here.
        kept: those whose secret was kept since; each may be the one, or that of another call.
    """

    lost: list[ConnectedApp]
    kept: list[ConnectedApp]


async def find_candidates(
    api: ConnectedAppsClient, safe: FallbackStore, intent: Intent
) -> Candidates:
    """Look for what became of a creation or of the start of a rotation."""
    found = Candidates([], [])
    async for app in matching_apps(api, intent):
        last_fours: dict[Which, str | None] = {
            "current": app.client_secret_last_four,
            "next": app.next_client_secret_last_four,
        }
        which: Which = "current" if intent.act == "create_app" else "next"
        if last_fours[which]:
            kept = await safe.find(app.client_id, which, last_fours[which])
            if kept is None:
                found.lost.append(app)
            elif kept.stored_at >= intent.begun_at:
                found.kept.append(app)
    return found


async def matching_apps(api: ConnectedAppsClient, intent: Intent) -> AsyncIterator[ConnectedApp]:
    """The apps on which an intent may have been carried out.

    Raises:
        ConnectedAppsError: they could not be read, or there are too many to look through.
    """
    if intent.client_id:
        if app := await api.find(intent.client_id):
            yield app
        return
    read = 0
    walk = AppPages(api)
    async for page in walk:
        if read == MAX_PAGES:
            raise UnexpectedAnswer(
                f"There are more than {read * MAX_PAGE_SIZE} apps to look through."
            )
        for app in page.apps:
            same_name = _tidied(app.client_name) == _tidied(intent.client_name)
            if same_name and app.client_type == intent.client_type:
                yield app
        read += 1
    if walk.ended != "end":
        raise UnexpectedAnswer("The service's pages of apps do not come to an end.")


def _tidied(name: str) -> str:
    """A name without what a service might change about it."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


async def describe_candidates(api: ConnectedAppsClient, safe: FallbackStore, intent: Intent) -> str:
    """Say in a sentence or two what there is to see, and what to do."""
    try:
        found = (await find_candidates(api, safe, intent)).lost
    except (ConnectedAppsError, StoreError):
        return f"It may have been carried out; looking for signs of it failed. {LOOK}"
    if not found:
        return f"It may have been carried out, though there is no sign of it yet. {LOOK}"
    return (
        f"It may have been carried out: {name_apps(found)} fits, with a secret not kept. {MENDED}"
    )


def name_apps(apps: Sequence[ConnectedApp], *, names: bool = False) -> str:
    """The first few of the apps, and how many more there are.

    Names may have been written by strangers: only people should read them here.
    """
    named = [
        printable(app.client_id, MAX_REPORTED_ID) + (in_brackets(app.client_name) if names else "")
        for app in apps
    ]
    named, more = named[:NAMED], len(apps[NAMED:])
    return ", ".join(named) + (f" or one of {more} more" if more else "")


def in_brackets(name: str) -> str:
    """A name as it follows what it names; nothing where it is empty."""
    return f" ({printable(REDACTOR.redact(name), 64)})" if name else ""
