"""Checks the intents of interrupted processes: fixes what it can, and reports the rest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio

from connected_apps_tools import observing
from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread

from .journal import Intent
from .lifecycle import SecretLifecycle
from .unknown_outcome import HOW_TO_FIX, LOOK, find_candidates, in_brackets, name_apps

MAX_AT_ONCE = 5
"""Most intents that are checked at once."""

UNCHECKED = ", and could not be checked."
LATE = "could not be checked in time."
LOST = f". App {{apps}} may have a secret that is not stored here. {HOW_TO_FIX}"
CURRENT_LOST = f". The app may have a secret that is not stored here. {HOW_TO_FIX}"
TOO_EARLY = ". No trace of it was found, but it may still take effect."
PERHAPS_ANOTHER = (
    ". {apps} matches and its secret is stored, but the service may still create another app."
)
ELSEWHERE = (
    ". It was sent to another service, {origin}: only a server for that service can check it."
)
NO_TRACE = f". No trace of it was found, unless the service has changed the name. {LOOK}"


@dataclass(frozen=True)
class LossReport:
    """One or two sentences about an intent.

    Attributes:
        for_people: with the names of apps, which are untrusted text.
        for_models: with client ids only; empty if a model cannot help.
    """

    for_people: str
    for_models: str


async def recover(
    lifecycle: SecretLifecycle, *, client_id: str | None = None, within: float = math.inf
) -> list[LossReport]:
    """Check the abandoned intents, and remove those without a loss.

    Returns a report for each of the others: an app may have lost a secret, it is too early to know,
    or it could not be checked. A rotation fixes a loss, and so does deleting the app. A creation
    without a trace is reported one last time when it can no longer take effect.

    Args:
        lifecycle: the journal, the store and the service.
        client_id: the app to check; without it, all apps.
        within: timeout (seconds). The rest is reported unchecked.

    Raises:
        StoreError: the journal cannot be read.
    """
    unread = f"The intents of earlier processes {LATE}"
    reports: dict[str, LossReport | None] = {"": LossReport(unread, unread)}
    limiter = anyio.CapacityLimiter(MAX_AT_ONCE)

    async def check(intent: Intent) -> None:
        async with limiter:
            reports[intent.id] = await _check(lifecycle, intent)

    with anyio.move_on_after(within):
        intents, unreadable = await in_thread(lifecycle.journal.abandoned)
        ours = [each for each in intents if each.project_id == lifecycle.api.project_id]
        if client_id:
            ours, unreadable = [each for each in ours if each.client_id == client_id], []
        texts = [
            f"The journal contains {name}, which this version cannot read." for name in unreadable
        ]
        reports = {text: LossReport(text, text) for text in texts}
        reports |= {intent.id: report_on(intent, f", and {LATE}") for intent in ours}
        async with anyio.create_task_group() as checks:
            for intent in ours:
                checks.start_soon(check, intent)
    remaining = list(dict.fromkeys(report for report in reports.values() if report))
    if client_id is None:
        observing.level("interrupted_calls", len(remaining))
    return remaining


async def _check(lifecycle: SecretLifecycle, intent: Intent) -> LossReport | None:
    """Check an intent, and fix the store; return a report if the intent stays."""
    if not lifecycle.is_same_service(intent):
        report = report_on(intent, ELSEWHERE.format(origin=intent.origin))
        return replace(report, for_models="")
    try:
        if intent.act == "complete_secret_rotation":
            return await _check_completion(lifecycle, intent)
        return await _check_candidates(lifecycle, intent)
    except (ConnectedAppsError, StoreError) as error:
        report = report_on(intent, f", and could not be checked: {error}")
        return replace(report, for_models=report_on(intent, UNCHECKED).for_models)


async def _check_completion(lifecycle: SecretLifecycle, intent: Intent) -> LossReport | None:
    state = await lifecycle.recover_completion(intent.client_id or "", forced=intent.forced)
    if state == "lost":
        return report_on(intent, CURRENT_LOST)
    if state == "open" and intent.recent:
        return report_on(intent, TOO_EARLY)
    return await _done(lifecycle, intent)


async def _check_candidates(lifecycle: SecretLifecycle, intent: Intent) -> LossReport | None:
    lost, stored = await find_candidates(lifecycle.api, lifecycle.store, intent)
    if lost:
        return report_on(intent, LOST, lost)
    if stored and intent.client_id:
        return await _done(lifecycle, intent)
    if intent.recent:
        return report_on(intent, PERHAPS_ANOTHER if stored else TOO_EARLY, stored)
    no_trace = intent.act == "create_app" and not stored
    return await _done(lifecycle, intent, report_on(intent, NO_TRACE) if no_trace else None)


async def _done(
    lifecycle: SecretLifecycle, intent: Intent, report: LossReport | None = None
) -> LossReport | None:
    """Remove an intent; return a last report, if any."""
    await lifecycle.capture.remove_intent(intent)
    return report


def report_on(intent: Intent, how: str, apps: Sequence[ConnectedApp] = ()) -> LossReport:
    """A report of an interrupted call. `how` is the rest of its sentence."""

    def text(*, names: bool) -> str:
        about = f" for {intent.client_id}" if intent.client_id else ""
        about += in_brackets(intent.client_name) if names else ""
        rest = how.format(apps=name_apps(apps, names=names)) if apps else how
        when = f"{intent.begun_at:%Y-%m-%d %H:%M} UTC"
        return f"A call of {intent.act}{about} at {when} was interrupted{rest}"

    return LossReport(text(names=True), text(names=False))
