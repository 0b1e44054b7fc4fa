"""The tools of the toolset manifest. Each docstring is what the model reads.

What they do is imported by the first call, since most servers have the toolset off.
"""

from typing import Any

from connected_apps_tools.context import ToolContext
from connected_apps_tools.plan import Plan
from connected_apps_tools.tool import Effect, Tool

from .types import AppliedManifest, ApplyManifest, PlanManifest, PlannedManifest


async def plan_manifest(context: ToolContext, request: PlanManifest) -> PlannedManifest:
    """Compare a manifest (apps as code) with the project, and change nothing.

    Returns what would be created, changed and deleted, what makes an app less protected or breaks
    the policy, and a digest. The resource connected-apps://manifest has the manifest and the
    bindings of the apps that are there. Show the plan to the user, then give its digest to
    apply_manifest.
    """
    from .calls import plan

    return await plan(context, request)


async def apply_manifest(context: ToolContext, request: ApplyManifest) -> Plan[AppliedManifest]:
    """Do what plan_manifest has planned, for the same manifest, bindings and prune.

    A person is asked once, for the whole plan. It is refused if the digest no longer fits. It
    creates, then changes, then deletes, and stops at the first failure; another plan and apply then
    do the rest. Client secrets of new apps are stored, not returned.
    """
    from .calls import plan_to_apply

    return await plan_to_apply(context, request)


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
