"""The tools of the toolset manifest. Each docstring is what the model reads."""

import json
from functools import partial
from typing import Any

from pydantic import Field

from connected_apps_tools.api.models import Request, Result
from connected_apps_tools.catalogue.types.app_requests import MaxBytes
from connected_apps_tools.context import ToolContext
from connected_apps_tools.manifest.documents.bindings import read_bindings
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.documents.toml_file import MAX_BYTES
from connected_apps_tools.manifest.plans.asking import question_about
from connected_apps_tools.manifest.plans.describing import lines_of, summary_of
from connected_apps_tools.manifest.plans.plan import ManifestPlan, PlanDoesNotFit
from connected_apps_tools.plan import Performed, Plan, returning
from connected_apps_tools.scopes import Scope
from connected_apps_tools.tool import Effect, Tool

from .applying import Done, apply, require_doable
from .planning import Planned, plan_apps

FRAME_BYTES = 1_500
"""The most bytes of a plan besides its lines."""

NO_GRANTS = (
    "The service does not say which users have authorised an app. list_user_grants and "
    "get_organization_app show it for one user or one organization."
)

WHERE_IDS_GO = "Write created into apps.lock.toml as KEY = CLIENT_ID, and remove deleted."


class ManifestRequest(Request):
    """A manifest, and which app of the project each of its keys is."""

    manifest: str = Field(
        min_length=1, max_length=MAX_BYTES, description="The text of the manifest (apps.toml)."
    )
    bindings: str = Field(
        "",
        max_length=MAX_BYTES,
        description="The text of the bindings (apps.lock.toml). A key without one is a new app.",
    )
    prune: bool = Field(default=False, description="Delete the apps that it does not have.")


class PlanManifest(ManifestRequest):
    """What to plan."""

    max_bytes: MaxBytes = 24_000


class ApplyManifest(ManifestRequest):
    """What to apply."""

    digest: str = Field(
        min_length=1, max_length=64, description="The digest of the plan that the user has seen."
    )

    @property
    def more_scopes(self) -> frozenset[Scope]:
        """Deleting apps needs a scope of its own."""
        return frozenset({Scope.APPS_DELETE}) if self.prune else frozenset()


class PlannedManifest(Result):
    """What has to happen, for people."""

    untrusted: list[str] | None = None
    summary: str
    steps: list[str]
    not_shown: int
    """How many more lines there was no room for."""
    refused: int
    """How many steps the policy forbids."""
    digest: str
    note: str | None = None


class AppliedManifest(Result):
    """What was done."""

    summary: str
    created: dict[str, str]
    """The client id of each new app, by its key."""
    deleted: list[str]
    secrets_in: str | None = None
    note: str | None = None


async def plan_manifest(context: ToolContext, request: PlanManifest) -> PlannedManifest:
    """Compare a manifest (apps as code) with the project, and change nothing.

    Returns what would be created, changed and deleted, what makes an app less protected or breaks
    the policy, and a digest. The resource connected-apps://manifest has the manifest and the
    bindings of the apps that are there. Show the plan to the user, then give its digest to
    apply_manifest.
    """
    plan = (await _plan(context, request)).plan
    lines, not_shown = _with_room(plan, request.max_bytes)
    deletes = any(step.action == "delete" for step in plan.to_do)
    return PlannedManifest(
        untrusted=["steps"] if lines else None,
        summary=summary_of(plan),
        steps=lines,
        not_shown=not_shown,
        refused=len(plan.refused),
        digest=plan.digest,
        note=NO_GRANTS if deletes else None,
    )


def _with_room(plan: ManifestPlan, max_bytes: int) -> tuple[list[str], int]:
    """The lines that there is room for, and how many more there are."""
    lines = [line for step in plan.steps if step.action != "nothing" for line in lines_of(step)]
    room, shown = max_bytes - FRAME_BYTES, 0
    for line in lines:
        room -= len(json.dumps(line)) + 1
        if room < 0:
            break
        shown += 1
    return lines[:shown], len(lines) - shown


async def apply_manifest(context: ToolContext, request: ApplyManifest) -> Plan[AppliedManifest]:
    """Do what plan_manifest has planned, for the same manifest, bindings and prune.

    A person is asked once, for the whole plan. It is refused if the digest no longer fits. It
    creates, then changes, then deletes, and stops at the first failure; another plan and apply then
    do the rest. Client secrets of new apps are stored, not returned.
    """
    planned = await _plan(context, request)
    plan = planned.plan
    if plan.digest != request.digest:
        raise PlanDoesNotFit([])
    require_doable(context, plan)
    if not plan.to_do:
        return Plan(perform=returning(_applied(plan, Done(), context)))
    return Plan(perform=partial(_perform, context, planned), question=question_about(plan))


async def _plan(context: ToolContext, request: ManifestRequest) -> Planned:
    manifest = read_manifest(request.manifest)
    bindings = read_bindings(request.bindings)
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


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(plan_manifest, "Plan a manifest", PlanManifest, PlannedManifest, Effect.READS),
    Tool(
        apply_manifest,
        "Apply a manifest",
        ApplyManifest,
        AppliedManifest,
        Effect.REPLACES,
        turn="apply",
    ),
)
