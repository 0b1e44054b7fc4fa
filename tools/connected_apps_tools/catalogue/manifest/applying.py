"""Does what a plan says, step by step, and stops at the first failure."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from connected_apps_tools.api.models import Result
from connected_apps_tools.catalogue.types.app_results import CreatedApp
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import ConnectedAppsError, InvalidRequest, PolicyRefusal
from connected_apps_tools.manifest.applying.creations import Creation
from connected_apps_tools.manifest.plans.describing import named
from connected_apps_tools.manifest.plans.plan import MAX_NAMED, Action, ManifestPlan, Step
from connected_apps_tools.secrets.unknown_outcome import looks_of
from connected_apps_tools.storage.errors import StoreError

from .planning import Planned

logger = logging.getLogger(__name__)

TOOL_OF: Mapping[Action, str] = {
    "create": "create_app",
    "change": "update_app",
    "delete": "delete_app",
}
"""The tool that does a step."""


class ApplyStopped(ConnectedAppsError):
    """An apply stopped at a step that failed. The steps after it were not done.

    Attributes:
        done: what was done before.
    """

    quotes = True
    hint = "What was done stays, and another plan does not repeat it. Correct the cause first."

    def __init__(self, failed: Step, error: ConnectedAppsError, done: "Done", left: int) -> None:
        before = f" Done before: {done}." if done.steps else ""
        super().__init__(
            f"Stopped at: {failed.action} {named(failed)}. {error}{before} Not done: {left} more."
        )
        self.done = done
        self.transient = error.transient
        self.may_have_taken_effect = bool(done.steps) or error.may_have_taken_effect
        self.hint = " ".join(filter(None, [error.hint, self.hint]))


@dataclass
class Done:
    """What an apply has done so far.

    Attributes:
        steps: the steps.
        created: the id of each new app, by its key.
        deleted: the ids of the apps that are gone.
    """

    steps: list[Step] = field(default_factory=list)
    created: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = [f"{step.action} {named(step)}" for step in self.steps[:MAX_NAMED]]
        more = len(self.steps) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")


def require_doable(context: ToolContext, plan: ManifestPlan) -> None:
    """Refuse a plan with a step that cannot be done here.

    Raises:
        PolicyRefusal: the policy forbids a step.
        InvalidRequest: a tool that a step needs is off.
    """
    if refused := plan.refused:
        named_steps = [f"{named(step)}: {' '.join(step.refusals)}" for step in refused[:MAX_NAMED]]
        more = f" And {len(refused) - MAX_NAMED} more." if len(refused) > MAX_NAMED else ""
        raise PolicyRefusal(" ".join(named_steps) + more)
    for action in dict.fromkeys(step.action for step in plan.to_do):
        tool = TOOL_OF[action]
        if why := context.server.tools_off.get(tool):
            off = InvalidRequest(f"The plan needs {tool}, which is off. {why}")
            off.hint = "Nothing was sent. Only the operator can change that."
            raise off


async def apply(context: ToolContext, planned: Planned) -> Done:
    """Do what a plan says.

    Raises:
        ApplyStopped: a step failed.
    """
    return await _Apply(context, planned).run()


class _Apply:
    def __init__(self, context: ToolContext, planned: Planned) -> None:
        self._context = context
        self._to_do = planned.plan.to_do
        self._done = Done()
        self._creations: list[Creation] = []
        self._alike: dict[object, list[str]] = defaultdict(list)
        """The ids of the apps with the same name and type."""
        for app in planned.apps:
            self._alike[looks_of(app.client_name, app.client_type)].append(app.client_id)

    async def run(self) -> Done:
        try:
            for number, step in enumerate(self._to_do):
                said = f"{step.action} {step.about}"
                await self._context.report_progress(number + 1, len(self._to_do), said)
                await self._do_or_stop(number, step)
        finally:
            with anyio.CancelScope(shield=True), _logged():
                await self._context.creations.report(self._creations)
        return self._done

    async def _do_or_stop(self, number: int, step: Step) -> None:
        try:
            await (self._create(step) if step.action == "create" else self._change(step))
        except ConnectedAppsError as error:
            left = len(self._to_do) - number - 1
            raise ApplyStopped(step, error, self._done, left) from None
        self._done.steps.append(step)

    async def _change(self, step: Step) -> None:
        """Change or delete an app, if it is as the plan has seen it."""
        seen = {"client_id": step.client_id, "if_unchanged": step.version}
        await self._context.call_part(TOOL_OF[step.action], {**step.settings, **seen})
        if step.action == "delete" and step.client_id:
            self._done.deleted.append(step.client_id)

    async def _create(self, step: Step) -> None:
        creations, key = self._context.creations, step.key or ""
        request = step.creation()
        name, kind = request.client_name or "", request.client_type
        alike = self._alike[looks_of(name, kind)]
        try:
            creation = await creations.begin(key, name, kind, alike)
        except StoreError as error:
            raise InvalidRequest(f"It could not be recorded first. {error}") from None
        try:
            created = await self._context.call_part(TOOL_OF["create"], dict(step.settings))
        except ConnectedAppsError as error:
            if not error.may_have_taken_effect:
                with _logged():
                    await creations.forget([key])
            raise
        client_id = _created_by(created)
        with _logged():  # without its id, the next apply finds the app by its name
            self._creations.append(await creations.end(creation, client_id))
        alike.append(client_id)
        self._done.created[key] = client_id


def _created_by(result: Result) -> str:
    if isinstance(result, CreatedApp) and result.app:
        return result.app.client_id
    raise AssertionError("create_app has created nothing")


@contextmanager
def _logged() -> Iterator[None]:
    """Go on without a record that cannot be written."""
    try:
        yield
    except StoreError as error:
        logger.warning("What an apply has created cannot be recorded: %s", error)
