"""How well an app matches the words of a search: a name counts more than a URL or an id."""

from collections.abc import Sequence

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.text.printable import printable
from connected_apps_tools.text.urls import host_of

PREFIXES = ("connected-app-test-", "connected-app-live-")
"""How every id of the service begins (KNOWN). A part of these matches no app by its id."""

MISSES = 6
"""The rank of an app that does not hold all words."""


def rank(app: ConnectedApp, query: str) -> int:
    """How well an app matches: 0 where its name equals the query, up to `MISSES`.

    The words may be spread over name, description, hosts, whole URLs and id, in this order. The
    rank is that of the last text that is needed to find them all.
    """
    name = _plain(app.client_name)
    if name == _plain(query):
        return 0
    missing = set(_plain(query).split())
    hosts = " ".join(filter(None, map(host_of, app.redirect_urls)))
    texts = (name, _plain(app.client_description), hosts, _plain(" ".join(app.redirect_urls)))
    for place, text in enumerate(texts, 1):
        missing = {word for word in missing if word not in text}
        if not missing:
            return place
    client_id = app.client_id.casefold()
    if all(word in client_id and not _in_every_id(word) for word in missing):
        return MISSES - 1
    return MISSES


def ranked(apps: Sequence[ConnectedApp], query: str) -> list[ConnectedApp]:
    """The apps, the best first; apps of one rank stay in their order."""
    return sorted(apps, key=lambda app: rank(app, query))


def _in_every_id(word: str) -> bool:
    return any(word in prefix for prefix in PREFIXES)


def _plain(text: str) -> str:
    return printable(text, len(text)).casefold()
