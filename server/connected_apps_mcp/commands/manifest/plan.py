"""`connected-apps-mcp plan`: compares a manifest with the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connected_apps_mcp.commands.common import setting_flags

from .running import manifest_file, on_project, project_flags

if TYPE_CHECKING:
    from connected_apps_mcp.settings.settings import Settings
    from connected_apps_tools import ToolContext
    from connected_apps_tools.catalogue.manifest.planning import Planned
    from connected_apps_tools.manifest.documents.bindings import Bindings
    from connected_apps_tools.manifest.documents.manifest import Manifest
    from connected_apps_tools.manifest.plans.plan import ManifestPlan

CHANGES = 3
"""The exit code of a plan that does something."""

prune_flag = click.option(
    "--prune", is_flag=True, help="Delete the apps that the manifest does not have."
)


@click.command()
@prune_flag
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan, for connected-apps-mcp apply FILE.",
)
@manifest_file
@project_flags
@setting_flags(("policy",))
def plan(*, prune: bool, as_json: bool, out: Path | None, path: Path, **flags: object) -> None:
    """Show what an apply of the manifest would do.

    It lists each app to create, to change (each setting before and after) or, with --prune, to
    delete. It marks what makes an app less protected, and what the policy forbids. It changes
    nothing.

    Exit code 0: there is nothing to do. 3: there are changes. 1: it failed. 2: a setting is wrong.
    """

    async def act(_settings: Settings, project: ToolContext) -> ManifestPlan:
        from connected_apps_mcp.commands.manifest.files import ManifestFiles

        files = ManifestFiles(path)
        planned = await plan_now(project, files.manifest(), files.bindings(), prune=prune)
        return planned.plan

    planned = on_project(act, flags)
    if out:
        _save(planned, out)
    click.echo(_as_json(planned) if as_json else as_text(planned))
    if planned.to_do:
        raise SystemExit(CHANGES)


async def plan_now(
    project: ToolContext, manifest: Manifest, bindings: Bindings, *, prune: bool
) -> Planned:
    """The plan for the project as it is now. Raises like `plan_apps`."""
    from connected_apps_tools.catalogue.manifest.planning import plan_apps
    from connected_apps_tools.deadline import deadline

    with deadline(project.api.deadline):
        return await plan_apps(project, manifest, bindings, prune=prune)


def as_text(planned: ManifestPlan) -> str:
    """A plan as a person reads it."""
    from connected_apps_tools.manifest.plans.describing import lines_of, summary_of

    shown = [step for step in planned.steps if step.action != "nothing" or step.adopted]
    lines = [line for step in shown for line in lines_of(step)]
    return "\n".join([*lines, "", summary_of(planned)] if lines else [summary_of(planned)])


def _as_json(planned: ManifestPlan) -> str:
    from connected_apps_tools.manifest.plans.describing import summary_of

    steps = [step.model_dump(mode="json", exclude_defaults=True) for step in planned.steps]
    about = planned.model_dump(mode="json", exclude={"steps", "format"})
    counts = planned.counts()
    # In ASCII, so that untrusted text cannot act on a terminal.
    return json.dumps(
        {"summary": summary_of(planned), "counts": counts, **about, "steps": steps}, indent=2
    )


def _save(planned: ManifestPlan, out: Path) -> None:
    from connected_apps_tools.errors import InvalidRequest
    from connected_apps_tools.manifest.plans.plan import ManifestPlan
    from connected_apps_tools.storage.owned_files import (
        LARGEST,
        FileRefused,
        read_target,
        replace_unchanged,
        target_of,
    )

    saved = planned.saved().encode()
    if len(saved) >= LARGEST:
        raise click.ClickException("The plan is too large to be saved. Do it in parts.")
    try:
        earlier = read_target(target_of(out))
        if earlier:
            ManifestPlan.read(earlier, str(out))
        replace_unchanged(out, earlier, saved)
    except FileRefused as error:
        raise click.ClickException(str(error)) from None
    except InvalidRequest:
        what = f"{out} is there and is no saved plan. Choose another name."
        raise click.ClickException(what) from None
