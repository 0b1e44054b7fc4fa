"""Looks after what an interrupted process left behind: mends what it can, and reports the rest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread

from .journal import Intent
from .lifecycle import SecretLifecycle
from .unknown_outcome import LOOK, MENDED, find_candidates, in_brackets, name_apps

AT_ONCE = 5
"""Intents that are looked into at once."""

UNLOOKED = ", and could not be looked into."
LATE = "could not be looked into in time."
LOST = f". App {{apps}} may have a secret that nobody has. {MENDED}"
CURRENT_LOST = f". The app may have a secret that nobody has. {MENDED}"
TOO_EARLY = ". There is no sign of it, but the service may still be at it."
PERHAPS_ANOTHER = (
    ". {apps} fits and its secret is kept, but the service may still make another app."
)
ELSEWHERE = (
    ". It was asked of another service, {origin}: only what works on that one can look into it."
)
NO_SIGN = f". There is no sign of it, unless the service has changed the name. {LOOK}"


@dataclass(frozen=True)
class LossReport:
    """What there is to say of an intent, in a sentence or two.

    Attributes:
        for_people: with the names of apps, which may have been written by strangers.
        for_models: with client ids only; empty where they can do nothing about it.
    """

    for_people: str
    for_models: str


async def recover(
    lifecycle: SecretLifecycle, *, client_id: str | None = None, within: float = math.inf
) -> list[LossReport]:
    """Go through the intents that nobody is at any more, and strike out what is mended.

    Returns a report of each of the others: that an app may have lost a secret, that it is too early
    to tell, or that it could not be looked into. A rotation mends a loss, and so does deleting the
    app. A creation of which there is no sign is reported a last time when it is too late for one.

    Args:
        lifecycle: whose journal it is, and where to look.
        client_id: the app to look after; without it, every one.
        within: seconds after which the rest is reported as it is.

    Raises:
        StoreError: the journal cannot be read.
    """
    unread = f"What an earlier process left behind {LATE}"
    reports: dict[str, LossReport | None] = {"": LossReport(unread, unread)}
    enough = anyio.CapacityLimiter(AT_ONCE)

    async def look(intent: Intent) -> None:
        async with enough:
            reports[intent.id] = await _look(lifecycle, intent)

    with anyio.move_on_after(within):
        intents, unreadable = await in_thread(lifecycle.journal.left_behind)
        ours = [each for each in intents if each.project_id == lifecycle.api.project_id]
        if client_id:
            ours, unreadable = [each for each in ours if each.client_id == client_id], []
        texts = [
            f"The journal holds {name}, which this version cannot read." for name in unreadable
        ]
        reports = {text: LossReport(text, text) for text in texts}
        reports |= {intent.id: _report(intent, f", and {LATE}") for intent in ours}
        async with anyio.create_task_group() as looks:
            for intent in ours:
                looks.start_soon(look, intent)
    return list(dict.fromkeys(report for report in reports.values() if report))


async def _look(lifecycle: SecretLifecycle, intent: Intent) -> LossReport | None:
    """Mend what an intent was about; what there is to report of it, if it stands."""
    if not lifecycle.can_look_into(intent):
        told = _report(intent, ELSEWHERE.format(origin=intent.origin))
        return replace(told, for_models="")
    try:
        if intent.act == "complete_secret_rotation":
            return await _look_at_completion(lifecycle, intent)
        return await _look_for_signs(lifecycle, intent)
    except (ConnectedAppsError, StoreError) as error:
        told = _report(intent, f", and could not be looked into: {error}")
        return replace(told, for_models=_report(intent, UNLOOKED).for_models)


async def _look_at_completion(lifecycle: SecretLifecycle, intent: Intent) -> LossReport | None:
    state = await lifecycle.mend_completion(intent.client_id or "", forced=intent.forced)
    if state == "lost":
        return _report(intent, CURRENT_LOST)
    if state == "open" and intent.young:
        return _report(intent, TOO_EARLY)
    return await _done(lifecycle, intent)


async def _look_for_signs(lifecycle: SecretLifecycle, intent: Intent) -> LossReport | None:
    lost, kept = await find_candidates(lifecycle.api, lifecycle.store, intent)
    if lost:
        return _report(intent, LOST, lost)
    if kept and intent.client_id:
        return await _done(lifecycle, intent)
    if intent.young:
        return _report(intent, PERHAPS_ANOTHER if kept else TOO_EARLY, kept)
    unexplained = intent.act == "create_app" and not kept
    return await _done(lifecycle, intent, _report(intent, NO_SIGN) if unexplained else None)


async def _done(
    lifecycle: SecretLifecycle, intent: Intent, report: LossReport | None = None
) -> LossReport | None:
    """Strike an intent out, with a last word on it."""
    await lifecycle.capture.remove_intent(intent)
    return report


def _report(intent: Intent, how: str, apps: Sequence[ConnectedApp] = ()) -> LossReport:
    def told(*, names: bool) -> str:
        about = f" for {intent.client_id}" if intent.client_id else ""
        about += in_brackets(intent.client_name) if names else ""
        rest = how.format(apps=name_apps(apps, names=names)) if apps else how
        when = f"{intent.begun_at:%Y-%m-%d %H:%M} UTC"
        return f"A call of {intent.act}{about} at {when} was interrupted{rest}"

    return LossReport(told(names=True), told(names=False))
