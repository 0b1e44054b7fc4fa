"""Chooses keys for apps that have none yet."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from itertools import count

from connected_apps_tools.api.models import ConnectedApp

MAX_FROM_NAME = 40
"""Most characters of a key that come from the name of the app."""

WITHOUT_NAME = "app"
"""The key of an app with a name of other letters than a key can have."""


def keys_for(
    apps: Iterable[ConnectedApp], bound: Mapping[str, str], taken: Collection[str]
) -> dict[str, ConnectedApp]:
    """The apps by key: the bound one, or else one like the name that is not taken.

    The order in which the service lists the apps does not matter.
    """
    known = {client_id: key for key, client_id in bound.items()}
    by_key = {known[app.client_id]: app for app in apps if app.client_id in known}
    used = {*bound, *taken}
    numbers: dict[str, Iterable[int]] = {}
    new = [(_like(app.client_name), app) for app in apps if app.client_id not in known]
    for name, app in sorted(new, key=lambda pair: (pair[0], pair[1].client_id)):
        key = _unused(name, used, numbers.setdefault(name, count(2)))
        used.add(key)
        by_key[key] = app
    return dict(sorted(by_key.items()))


def _unused(name: str, used: Collection[str], numbers: Iterable[int]) -> str:
    if name not in used:
        return name
    return next(key for number in numbers if (key := f"{name}-{number}") not in used)


def _like(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name[:1_000]).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    return "-".join(words)[:MAX_FROM_NAME].strip("-") or WITHOUT_NAME
