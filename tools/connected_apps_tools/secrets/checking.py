"""Finds out at the service whether stored secrets work."""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.printable import printable

from .fallback_store import FallbackStore
from .stores import DamagedSecret, StoredSecret, Which

SecretState = Literal["alive", "dead", "unknown"]
"""Alive: the service accepts the secret. Dead: it does not. Unknown: nothing says which."""

MAX_REASON = 300
"""Most characters of a reason."""


@dataclass(frozen=True)
class CheckedSecret:
    """Whether a stored secret works.

    Attributes:
        why: the reason, in a sentence without the secret.
        stored: the secret; None if none is stored, or it cannot be read.
        transient: whether another check may say more.
    """

    state: SecretState
    why: str
    stored: StoredSecret | None = None
    transient: bool = False


async def check_stored(
    api: ConnectedAppsClient, store: FallbackStore, client_id: str, which: Which
) -> CheckedSecret:
    """Whether the secret that is stored for an app works. It never fails."""
    try:
        stored = await store.get(client_id, which)
    except StoreError as error:
        return _unknown(f"The secret store cannot be read: {error}.")
    if stored is None:
        return _unknown(f"No {which} secret is stored here.")
    return await check_secret(api, stored)


async def check_secret(api: ConnectedAppsClient, stored: StoredSecret) -> CheckedSecret:
    """Whether a secret works. It never fails."""
    the_secret = f"the {stored.which} secret that is stored here"
    try:
        accepted = await api.accepts(stored.client_id, stored.secret)
    except ConnectedAppsError as error:
        why = f"Whether the service accepts {the_secret} could not be checked: {error}"
        return _unknown(why, stored, transient=error.transient)
    if accepted:
        return CheckedSecret("alive", f"The service accepts {the_secret}.", stored)
    return CheckedSecret("dead", f"The service does not accept {the_secret}.", stored)


def _unknown(
    why: str, stored: StoredSecret | None = None, *, transient: bool = False
) -> CheckedSecret:
    return CheckedSecret("unknown", printable(why, MAX_REASON), stored, transient)


async def find_known(
    api: ConnectedAppsClient, store: FallbackStore, app: ConnectedApp, which: Which
) -> StoredSecret | None:
    """The stored secret, if it is certainly the app's; None if there is none.

    Its last four characters say so. Where they leave a doubt, the service does.

    Raises:
        StoreError: a store cannot be read. A damaged secret does not count.
    """
    last_fours = last_fours_of(app)
    stored = await store.find(app.client_id, which, last_fours[which])
    if stored is None:
        with suppress(DamagedSecret):
            stored = await store.get(app.client_id, which)
    if stored is None or fits_last_four(stored.secret.get_secret_value(), last_fours[which]):
        return stored
    if which == "next" and stored.last_four == last_fours["current"]:
        return None  # it works, but as the current one
    return stored if (await check_secret(api, stored)).state == "alive" else None


def last_fours_of(app: ConnectedApp) -> dict[Which, str | None]:
    """The last four characters of each secret, as the service shows them."""
    return {"current": app.client_secret_last_four, "next": app.next_client_secret_last_four}


def fits_last_four(secret: str, last_four: str | None) -> bool:
    """Whether a secret ends with the last four characters that the service shows, in any form.

    A secret with a repeated character looks redacted, and does not fit.
    """
    return (last_four is None or secret[-4:] == last_four[-4:]) and not re.search(
        r"(.)\1{3}", secret
    )
