"""Looks after what an interrupted process left behind: mends what it can, and reports the rest."""

from .custody import Custody
from .errors import ConnectedAppsError
from .evidence import MENDED, signs
from .journal import Intent
from .secret_store import StoreError


async def recover(custody: Custody) -> list[str]:
    """Go through the intents that nobody is at any more.

    Returns a sentence or two for each app that may have lost a secret, and for each intent that
    could not be looked into. They are returned each time until they are mended: by a rotation, or
    by deleting the app.

    Raises:
        StoreError: the journal cannot be read.
    """
    return [
        report for intent in await custody.left_behind() for report in await _look(custody, intent)
    ]


async def _look(custody: Custody, intent: Intent) -> list[str]:
    when = f"A call of {intent.act} at {intent.begun_at:%Y-%m-%d %H:%M} UTC"
    try:
        if intent.act == "complete_secret_rotation" and intent.client_id:
            await custody.mend_completion(intent.client_id)
            found = []
        else:
            found = [app async for app in signs(custody.api, custody.safe, intent)]
    except (ConnectedAppsError, StoreError) as error:
        return [f"{when} was interrupted, and could not be looked into: {error}"]
    if not found:
        await custody.strike_out(intent)
    return [
        f"{when} was interrupted. App {app.client_id} may have a secret that nobody has. {MENDED}"
        for app in found
    ]
