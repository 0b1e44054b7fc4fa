"""`connected-apps-mcp apply`: gives the project the apps of a manifest."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connected_apps_mcp.commands.common import (
    before_a_person,
    print_stderr,
    report_losses,
    setting_flags,
)
from connected_apps_mcp.settings.settings import SettingsError

from .plan import as_text, plan_now, prune_flag
from .running import manifest_file, on_project, project_flags

if TYPE_CHECKING:
    from connected_apps_mcp.audit import AuditLog, PersonAnswer
    from connected_apps_mcp.commands.manifest.files import ManifestFiles
    from connected_apps_mcp.confirmation.confirm import How
    from connected_apps_mcp.settings.settings import Settings
    from connected_apps_tools import ToolContext
    from connected_apps_tools.api.models import Touched
    from connected_apps_tools.catalogue.manifest.applying import Done
    from connected_apps_tools.catalogue.manifest.types import AppliedManifest
    from connected_apps_tools.manifest.documents.bindings import Bindings
    from connected_apps_tools.manifest.plans.plan import ManifestPlan
    from connected_apps_tools.safety.question import Question
    from connected_apps_tools.selection import OfferedTools

TOOL = "apply_manifest"


@click.command()
@click.argument(
    "saved", metavar="[PLAN]", required=False, type=click.Path(dir_okay=False, path_type=Path)
)
@prune_flag
@manifest_file
@project_flags
@setting_flags(("policy", "secret_store", "allow_live_writes", "audit_log", "audit_key_file"))
def apply(saved: Path | None, *, prune: bool, path: Path, **flags: object) -> None:
    """Give the project the apps of the manifest.

    It shows the plan and asks once, at a terminal. With PLAN, a file of connected-apps-mcp plan
    --out, it does what was reviewed without asking; it refuses if anything has changed since.

    It creates, then changes, then deletes (with --prune), and stops at the first failure. Run it
    again to do the rest: nothing is done twice. Commit the bindings (apps.lock.toml) afterwards.
    """
    if saved and prune:
        raise click.UsageError("--prune: the plan says already whether apps are deleted.")

    async def act(settings: Settings, project: ToolContext) -> None:
        from connected_apps_mcp.commands.manifest.files import ManifestFiles
        from connected_apps_mcp.wiring import open_audit

        offer = _offered(settings)
        about = replace(project.server, tools_off=offer.off)
        async with open_audit(settings) as audit:
            session = _Session(offer, replace(project, server=about), ManifestFiles(path), audit)
            await session.apply(_read(saved) if saved else None, prune=prune)

    on_project(act, flags)


def _offered(settings: Settings) -> OfferedTools:
    """The tools that are on, with those of manifests.

    Raises:
        SettingsError: the settings do not allow an apply.
    """
    from connected_apps_tools import TOOLSETS
    from connected_apps_tools.selection import select_tools

    choice = settings.selection
    offer = select_tools(TOOLSETS, replace(choice, toolsets=[*choice.toolsets, "manifest"]))
    if why := offer.off.get(TOOL):
        raise SettingsError(why)
    return offer


def _read(saved: Path) -> ManifestPlan:
    from connected_apps_tools.manifest.documents.toml_file import content_of
    from connected_apps_tools.manifest.plans.plan import ManifestPlan

    return ManifestPlan.read(content_of(saved), str(saved))


@dataclass(frozen=True)
class _Session:
    """One apply.

    Attributes:
        offer: the tools that are on: the steps are their calls.
        project: what they work on.
        files: the manifest and its bindings.
        audit: where each step is recorded.
    """

    offer: OfferedTools
    project: ToolContext
    files: ManifestFiles
    audit: AuditLog

    async def apply(self, saved: ManifestPlan | None, *, prune: bool) -> None:
        """Plan, ask and do it.

        Raises:
            ConnectedAppsError: nothing was done, or it stopped.
            click.ClickException: the person said no, or cannot be asked.
        """
        from anyio import get_cancelled_exc_class

        from connected_apps_tools.catalogue.manifest.applying import ApplyStopped, require_doable

        await report_losses(self.project)
        wanted, given = self.files.manifest(), self.files.bindings()
        prune = saved.prune if saved else prune
        planned = await plan_now(self.project, wanted, given, prune=prune)
        if saved:
            saved.require_fit(planned.plan)
        click.echo(as_text(planned.plan))
        require_doable(self.project, planned.plan)
        if not planned.plan.to_do:
            await self._keep(given, planned.bindings)
            return
        if not saved:
            _ask()
        texts = {"manifest": wanted.file.text, "bindings": given.text(), "prune": prune}
        try:
            done = await self._call(planned.plan, texts, lambda: self.files.bindings() == given)
        except ApplyStopped as stopped:
            await self._keep(given, planned.bindings, stopped.done)
            raise
        except get_cancelled_exc_class():
            print_stderr("Interrupted. Run it again: it does the rest, and nothing twice.")
            raise
        await self._keep(given, planned.bindings, done)
        click.echo(done.summary)

    async def _call(
        self, plan: ManifestPlan, texts: dict[str, Any], unchanged: Callable[[], bool]
    ) -> AppliedManifest:
        """Call the tool, as the server does. It refuses if anything has changed since."""
        from connected_apps_mcp.audit import RecordedCall
        from connected_apps_mcp.callers import current_caller
        from connected_apps_mcp.protocol.calls.execution import Execution
        from connected_apps_mcp.protocol.calls.parts import Parts
        from connected_apps_tools.catalogue.manifest.types import AppliedManifest
        from connected_apps_tools.deadline import deadline

        project_id = self.project.api.project_id

        def record(
            tool: str, arguments: dict[str, Any], answer: PersonAnswer | None
        ) -> RecordedCall:
            return RecordedCall(tool, arguments, project_id, current_caller(), answer=answer)

        async def publish(_touched: Touched) -> None:
            """This process has no subscribers."""

        arguments = {**texts, "digest": plan.digest}
        parts = Parts(self.offer, self.project, record, self.audit, publish)
        execution = Execution(
            self.offer.on[TOOL],
            self.project.for_call(_print_progress, parts.call),
            partial(Approved, plan.digest, unchanged),
            partial(record, TOOL, arguments),
            self.audit,
            publish,
        )
        with deadline(self.project.api.deadline):  # of planning; each step has its own
            result = await execution.run(arguments)
        if isinstance(result, AppliedManifest):
            return result
        raise AssertionError(f"{TOOL} asks through a client")

    async def _keep(
        self, given: Bindings, bindings: Bindings, done: Done | AppliedManifest | None = None
    ) -> None:
        """Write the bindings after what was done. An interrupted apply finds the rest itself."""
        project_id = self.project.api.project_id
        if done:
            bindings = bindings.with_bound(project_id, done.created)
            bindings = bindings.without(project_id, done.deleted)
        if self.files.write_bindings(given, bindings):
            click.echo(f"Wrote {self.files.bindings_path}. Commit it.")
        await self.project.creations.forget(bindings.of(project_id))


@dataclass(frozen=True)
class Approved:
    """The dialogue of an apply: the person has seen the plan, and has said yes.

    Attributes:
        digest: of the plan that the person has seen.
        unchanged: whether the bindings are those of the plan. While this apply waited for its turn,
            another one may have created the apps and written them there.
    """

    digest: str
    unchanged: Callable[[], bool]

    @property
    def said_yes(self) -> bool:
        """The person has."""
        return True

    async def decide(self, question: Question | None) -> How | None:
        """Go on if it is the plan that the person has seen."""
        if question is None:
            return "not required"
        return "approved" if question.state == self.digest and self.unchanged() else None

    async def ask(self, _question: Question) -> None:
        """Refuse to ask again: the plan is another one now."""
        from connected_apps_tools.manifest.plans.plan import PlanDoesNotFit

        raise PlanDoesNotFit([])


def _ask() -> None:
    if not before_a_person():
        raise click.UsageError(
            "A person has to say yes, at a terminal. Elsewhere, save a plan with "
            "connected-apps-mcp plan --out FILE, review it, and give FILE."
        )
    loop = signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C ends the question
    try:
        agreed = click.confirm("Do all of this?", default=False)
    finally:
        signal.signal(signal.SIGINT, loop)
    if not agreed:
        raise click.ClickException("Nothing was done.")


async def _print_progress(done: float, total: float | None, said: str) -> None:
    if total:
        print_stderr(f"[{done:.0f} of {total:.0f}] {said}")
