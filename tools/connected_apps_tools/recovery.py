"""Looks after what an interrupted process left behind: mends what it can, and reports the rest."""

from .custody import Custody
from .errors import ConnectedAppsError
from .evidence import MENDED, signs, some
from .journal import Intent
from .safe import in_thread
from .secret_store import StoreError


async def recover(custody: Custody) -> list[str]:
    """Go through the intents that nobody is at any more, and strike out what is mended.

    Returns a sentence or two for each of the others: that an app may have lost a secret, that it is
    too early to tell, or that it could not be looked into. A rotation mends a loss, and so does
    deleting the app.

    Raises:
        StoreError: the journal cannot be read.
    """
    intents, unreadable = await in_thread(custody.journal.left_behind)
    reports = [f"The journal holds {name}, which this version cannot read." for name in unreadable]
    for intent in intents:
        if intent.project_id == custody.api.project_id:
            reports += await _look(custody, intent)
    return list(dict.fromkeys(reports))


async def _look(custody: Custody, intent: Intent) -> list[str]:
    """What there is to report of an intent."""
    when = f"A call of {intent.act} at {intent.begun_at:%Y-%m-%d %H:%M} UTC was interrupted"
    try:
        loss = await _loss(custody, intent)
    except (ConnectedAppsError, StoreError) as error:
        return [f"{when}, and could not be looked into: {error}"]
    if loss:
        return [f"{when}. App {loss} may have a secret that nobody has. {MENDED}"]
    if intent.young and intent.act != "complete_secret_rotation":
        return [f"{when}. There is no sign of it, but the service may still be at it."]
    await custody.receiver.strike_out(intent)
    return []


async def _loss(custody: Custody, intent: Intent) -> str:
    """The apps that may have lost a secret, in words; nothing where there are none."""
    if intent.act == "complete_secret_rotation" and intent.client_id:
        return "" if await custody.mend_completion(intent.client_id) else intent.client_id
    return some([app async for app in signs(custody.api, custody.safe, intent)])
