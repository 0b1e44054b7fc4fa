"""Plans a manifest for the project as it is now."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from anyio import to_thread

from connected_apps_tools.api.models import ConnectedApp, is_confidential
from connected_apps_tools.api.pagination import ENDLESS_PAGES, AppPages
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest, NotSent, UnexpectedAnswer
from connected_apps_tools.findings.parsed_app import ParsedApp
from connected_apps_tools.manifest.applying.creations import adopted as adopted_by
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.manifest import Manifest
from connected_apps_tools.manifest.plans.comparison import Project, compare
from connected_apps_tools.manifest.plans.plan import Adopted, ManifestPlan
from connected_apps_tools.manifest.plans.sightings import Sighting
from connected_apps_tools.manifest.settings import Settings
from connected_apps_tools.secrets.stores import PartlyListed, StoredEntry
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.printable import printable


@dataclass(frozen=True)
class Planned:
    """A plan, and what it was made from.

    Attributes:
        bindings: the given ones, with the apps that an interrupted apply has created, and without
            those that are gone and that the manifest does not have either.
        apps: all apps of the project.
    """

    plan: ManifestPlan
    bindings: Bindings
    apps: Sequence[ConnectedApp]


async def all_apps(context: ToolContext) -> list[ConnectedApp]:
    """All apps of the project.

    Raises:
        ConnectedAppsError: not all of them can be read.
    """
    apps: list[ConnectedApp] = []
    walk = AppPages(context.api)
    async for page in walk:
        apps += page.apps
        await context.report_progress(len(apps), page.total, f"Read {len(apps)} apps")
    if walk.ended == "deadline":
        late = NotSent("Nothing was sent: the apps could not all be read in time.")
        late.late = True
        late.hint = "Try again. The operator can allow more time (--deadline)."
        raise late
    if walk.ended != "end":
        raise UnexpectedAnswer(ENDLESS_PAGES)
    return apps


async def plan_apps(
    context: ToolContext, manifest: Manifest, bindings: Bindings, *, prune: bool
) -> Planned:
    """The plan that gives the project the apps of a manifest.

    Raises:
        InvalidRequest: the manifest or the bindings are not for the project, or prune would delete
            every app.
        ConnectedAppsError: the apps cannot be read.
    """
    project_id = context.api.project_id
    wanted = manifest.wanted_in(manifest.environment_of(project_id))
    apps = await all_apps(context)
    created = await created_by_applies(context, bindings, apps, wanted)
    found = {key: client_id for key, (client_id, _) in created.items()}
    bindings = bindings.with_bound(project_id, found) if found else bindings
    if prune and apps and not bindings.of(project_id):
        raise _nothing_bound()
    adopted = {key: how for key, (_, how) in created.items()}
    project = Project(project_id, apps, bindings, context.policy, adopted)
    plan = await to_thread.run_sync(partial(compare, manifest, project, prune=prune))
    seen = await context.sightings.of(apps)
    plan = await _with_evidence(context, plan, apps, seen)
    return Planned(plan, _without_ended(bindings, plan), apps)


def _without_ended(bindings: Bindings, plan: ManifestPlan) -> Bindings:
    """The bindings without those of no step: an interrupted apply has deleted their apps."""
    keys = {step.key for step in plan.steps}
    bound = bindings.of(plan.project_id)
    ended = [client_id for key, client_id in bound.items() if key not in keys]
    return bindings.without(plan.project_id, ended) if ended else bindings


async def created_by_applies(
    context: ToolContext,
    bindings: Bindings,
    apps: Sequence[ConnectedApp],
    wanted: Mapping[str, Settings] | None = None,
) -> dict[str, tuple[str, Adopted]]:
    """The apps that interrupted applies have created, by key: the id, and how each is known.

    With `wanted`, only those that a manifest wants under their keys.

    Raises:
        InvalidRequest: the records cannot be read, or which app was created is not certain.
    """
    try:
        creations = await context.creations.unfinished()
    except StoreError as error:
        raise InvalidRequest(
            f"Nothing was sent: what an earlier apply has created cannot be read. {error}"
        ) from None
    if wanted is not None:
        creations = [each for each in creations if each.is_for(wanted.get(each.key))]
    return adopted_by(bindings.of(context.api.project_id), creations, apps)


def _nothing_bound() -> InvalidRequest:
    refusal = InvalidRequest("prune: no key is bound to an app, so every app would be deleted.")
    refusal.hint = "Nothing was sent. Give the bindings (apps.lock.toml), which an export writes."
    return refusal


async def _with_evidence(
    context: ToolContext,
    plan: ManifestPlan,
    apps: Sequence[ConnectedApp],
    seen: Mapping[str, Sighting],
) -> ManifestPlan:
    """The plan, with what is known of how the apps that it deletes are used."""
    if not any(step.action == "delete" for step in plan.steps):
        return plan
    by_id = {app.client_id: app for app in apps}
    stored = {entry.client_id: entry for entry in await _stored(context)}
    steps = []
    for step in plan.steps:
        if step.action == "delete" and step.client_id:
            app, sighting = by_id[step.client_id], seen.get(step.client_id)
            found = await _evidence(context, app, sighting, stored.get(step.client_id))
            step = step.model_copy(update={"evidence": found})  # noqa: PLW2901 - the same step
        steps.append(step)
    return plan.model_copy(update={"steps": steps})


async def _stored(context: ToolContext) -> Sequence[StoredEntry]:
    try:
        return await context.secrets.store.entries()
    except PartlyListed as partly:
        return partly.entries
    except StoreError:
        return []


async def _evidence(
    context: ToolContext, app: ConnectedApp, seen: Sighting | None, stored: StoredEntry | None
) -> list[str]:
    facts = []
    if ParsedApp(app, context.review_limits).by_stranger:
        facts.append("a stranger registered it")
    if seen:
        facts.append(f"seen here since {_day(seen.first)}, unchanged since {_day(seen.since)}")
    if is_confidential(app.client_type):
        facts.append(
            f"its secret is stored here since {_day(stored.stored_at)}"
            if stored
            else "no secret of it is stored here"
        )
    with suppress(StoreError):
        for each in await context.deliveries.of(app.client_id):
            where = printable(each.destination)
            facts.append(f"a secret was delivered to {where} on {_day(each.delivered_at)}")
    return facts


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d}"
