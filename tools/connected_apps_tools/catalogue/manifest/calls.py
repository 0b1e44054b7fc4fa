"""What the tools of the toolset manifest do."""

import json
from functools import partial

from anyio import to_thread

from connected_apps_tools.context import ToolContext
from connected_apps_tools.manifest.documents.bindings import read_bindings
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.plans.asking import question_about
from connected_apps_tools.manifest.plans.describing import lines_of, summary_of
from connected_apps_tools.manifest.plans.plan import ManifestPlan, PlanDoesNotFit
from connected_apps_tools.plan import Performed, Plan, returning

from .applying import Done, apply, require_doable
from .planning import Planned, plan_apps
from .types import AppliedManifest, ApplyManifest, ManifestRequest, PlanManifest, PlannedManifest

FRAME_BYTES = 1_500
"""The most bytes of a plan besides its lines."""

NO_GRANTS = (
    "The service does not say which users have authorised an app. list_user_grants and "
    "get_organization_app show it for one user or one organization."
)

WHERE_IDS_GO = "Write created into apps.lock.toml as KEY = CLIENT_ID, and remove deleted."


async def plan(context: ToolContext, request: PlanManifest) -> PlannedManifest:
    """The plan for a manifest, as text.

    Raises:
        ConnectedAppsError: the manifest has faults, or the apps cannot be read.
    """
    found = (await _plan(context, request)).plan
    lines, not_shown = _with_room(found, request.max_bytes)
    deletes = any(step.action == "delete" for step in found.to_do)
    return PlannedManifest(
        untrusted=["steps"] if lines else None,
        summary=summary_of(found),
        steps=lines,
        not_shown=not_shown,
        refused=len(found.refused),
        digest=found.digest,
        note=NO_GRANTS if deletes else None,
    )


def _with_room(plan: ManifestPlan, max_bytes: int) -> tuple[list[str], int]:
    """The lines that there is room for, and how many more there are."""
    steps = [step for step in plan.steps if step.action != "nothing" or step.adopted]
    lines = [line for step in steps for line in lines_of(step)]
    room, shown = max_bytes - FRAME_BYTES, 0
    for line in lines:
        room -= len(json.dumps(line)) + 1
        if room < 0:
            break
        shown += 1
    return lines[:shown], len(lines) - shown


async def plan_to_apply(context: ToolContext, request: ApplyManifest) -> Plan[AppliedManifest]:
    """The plan of an apply, with the question about all of it.

    Raises:
        ConnectedAppsError: it is another plan than the caller's, or it cannot be done.
    """
    planned = await _plan(context.for_call(call_part=context.call_part), request)
    wanted = planned.plan
    if wanted.digest != request.digest:
        raise PlanDoesNotFit([])
    require_doable(context, wanted)
    if not wanted.to_do:
        return Plan(perform=returning(_applied(wanted, Done(), context)))
    return Plan(perform=partial(_perform, context, planned), question=question_about(wanted))


async def _plan(context: ToolContext, request: ManifestRequest) -> Planned:
    # In a thread, since a large text takes long and other calls go on.
    manifest = await to_thread.run_sync(read_manifest, request.manifest)
    bindings = await to_thread.run_sync(read_bindings, request.bindings)
    return await plan_apps(context, manifest, bindings, prune=request.prune)


async def _perform(context: ToolContext, planned: Planned) -> Performed[AppliedManifest]:
    return Performed(_applied(planned.plan, await apply(context, planned), context))


def _applied(plan: ManifestPlan, done: Done, context: ToolContext) -> AppliedManifest:
    return AppliedManifest(
        summary=f"Done: {len(done.steps)} of {len(plan.to_do)} steps.",
        created=done.created,
        deleted=done.deleted,
        secrets_in=context.secrets.store.where if done.created else None,
        note=WHERE_IDS_GO if done.created or done.deleted else None,
    )
