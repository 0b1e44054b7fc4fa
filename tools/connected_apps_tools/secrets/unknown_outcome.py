"""Finds the apps that a call with an unknown outcome may have changed."""

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

from .checking import find_known, last_fours_of
from .fallback_store import FallbackStore
from .journal import Intent
from .stores import Which

MAX_NAMED = 20
"""Most apps that a report names."""

MAX_REPORTED_ID = 200
"""Most characters shown of an id."""

MAX_PAGES = 10
"""Most pages of 1,000 apps that are searched."""

HOW_TO_FIX = (
    "Rotate to give the app a new secret (start_secret_rotation), or delete the app (delete_app)."
)
LOOK = "Look with search_apps or get_app before you try again."


class Candidates(NamedTuple):
    """The apps that the call of an intent may have changed.

    Attributes:
        lost: apps with a secret that is not stored here.
        stored: apps with a secret that was stored after the intent, by this or by another call.
    """

    lost: list[ConnectedApp]
    stored: list[ConnectedApp]


async def find_candidates(
    api: ConnectedAppsClient, store: FallbackStore, intent: Intent
) -> Candidates:
    """Find the apps that a creation or the start of a rotation may have changed."""
    found = Candidates([], [])
    async for app in matching_apps(api, intent):
        which: Which = "current" if intent.act == "create_app" else "next"
        if last_fours_of(app)[which]:
            stored = await find_known(api, store, app, which)
            if stored is None:
                found.lost.append(app)
            elif stored.stored_at >= intent.begun_at:
                found.stored.append(app)
    return found


async def matching_apps(api: ConnectedAppsClient, intent: Intent) -> AsyncIterator[ConnectedApp]:
    """The apps that match an intent.

    Raises:
        ConnectedAppsError: they could not be read, or there are too many to search.
    """
    if intent.client_id:
        if app := await api.find(intent.client_id):
            yield app
        return
    read = 0
    wanted = looks_of(intent.client_name, intent.client_type)
    walk = AppPages(api)
    async for page in walk:
        if read == MAX_PAGES:
            raise UnexpectedAnswer(f"There are more than {read * MAX_PAGE_SIZE} apps to search.")
        for app in page.apps:
            if looks_of(app.client_name, app.client_type) == wanted:
                yield app
        read += 1
    if walk.ended != "end":
        raise UnexpectedAnswer("The service's pages of apps do not end.")


def looks_of(client_name: str, client_type: str | None) -> tuple[str, str | None]:
    """What two apps have in common that one call may have created.

    It is the type, and the name without differences that a service might introduce.
    """
    return " ".join(unicodedata.normalize("NFKC", client_name).casefold().split()), client_type


async def describe_candidates(
    api: ConnectedAppsClient, store: FallbackStore, intent: Intent
) -> str:
    """One or two sentences on what was found, and what to do."""
    try:
        found = (await find_candidates(api, store, intent)).lost
    except (ConnectedAppsError, StoreError):
        return f"It may have taken effect; checking that failed. {LOOK}"
    if not found:
        return f"It may have taken effect, but no trace of it was found yet. {LOOK}"
    return (
        f"It may have taken effect: {name_apps(found)} matches, with a secret that is not stored "
        f"here. {HOW_TO_FIX}"
    )


def name_apps(apps: Sequence[ConnectedApp], *, names: bool = False) -> str:
    """The first few of the apps, and how many more there are.

    Names are untrusted text: only people should read them here.
    """
    named = [
        printable(app.client_id, MAX_REPORTED_ID) + (in_brackets(app.client_name) if names else "")
        for app in apps
    ]
    named, more = named[:MAX_NAMED], len(apps[MAX_NAMED:])
    return ", ".join(named) + (f" or one of {more} more" if more else "")


def in_brackets(name: str) -> str:
    """A name in brackets, after a space; nothing for an empty name."""
    return f" ({printable(REDACTOR.redact(name), 64)})" if name else ""
