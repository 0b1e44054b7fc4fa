"""What has to happen for a project to have the apps of a manifest, as data."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from connected_apps_tools.api.models import CreateApp, Model, UpdateApp
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.manifest.documents.faults import MAX_PLACE
from connected_apps_tools.manifest.settings import Value
from connected_apps_tools.safety.question import digest
from connected_apps_tools.text.printable import printable

Adopted = Literal["by its id", "by its looks"]
"""How an app is known that an interrupted apply has created. Others may have the same looks."""

Action = Literal["create", "change", "delete", "unmanaged", "nothing"]

DOES_SOMETHING: tuple[Action, ...] = ("create", "change", "delete")
"""What a step can do, in the order in which it is done."""

MAX_NAMED = 10
"""Most steps that an error names."""


class FieldChange(Model):
    """A setting that changes. The values are whole, and may be untrusted text."""

    name: str
    before: Value
    after: Value


class Step(Model):
    """What happens to one app.

    Attributes:
        action: `unmanaged` is an app that the manifest does not have. `nothing` is one that is as
            it should be.
        key: its key; None if it has none.
        client_id: its id; None if it has to be created.
        client_name: the name that it has, or gets. It may be untrusted text.
        settings: what is sent: all that is not the default (create), or what changes (change).
        changes: each setting that changes.
        version: the version of the app that the step is made from.
        gone: the id of the app that the key was bound to, if that is not in the project any more.
        adopted: how it is known that an interrupted apply has created the app; None if none has.
        same_name: the ids of apps that the manifest does not have, with the name of a new one.
        weakens: what makes the app less protected, as label and fact; printable.
        refusals: what the policy forbids about it; printable.
        evidence: what is known of how an app that is deleted is used; printable.
    """

    action: Action
    key: str | None = None
    client_id: str | None = None
    client_name: str = ""
    settings: dict[str, Value] = Field(default_factory=dict)
    changes: list[FieldChange] = Field(default_factory=list)
    version: str | None = None
    gone: str | None = None
    adopted: Adopted | None = None
    same_name: list[str] = Field(default_factory=list)
    weakens: list[tuple[str, str]] = Field(default_factory=list)
    refusals: list[str] = Field(default_factory=list)
    evidence: list[str] = Field(default_factory=list)

    @property
    def does_something(self) -> bool:
        """Whether anything is sent."""
        return self.action in DOES_SOMETHING

    @property
    def about(self) -> str:
        """The app, printable: its key, or its id."""
        return printable(self.key or self.client_id or "")

    def creation(self) -> CreateApp:
        """The request of a step that creates an app."""
        return CreateApp.model_validate(self.settings)

    def change(self) -> UpdateApp:
        """The request of a step that changes an app."""
        return UpdateApp.model_validate({"client_id": self.client_id, **self.settings})


class ManifestPlan(Model):
    """All steps, in the order in which they are done.

    Attributes:
        project_id: the project that it is for.
        environment: the environment that it was made for; None if the manifest has none.
        prune: whether apps that the manifest does not have are deleted.
        steps: one for each app of the project and of the manifest.
        digest: of what will be done and what that was made from. Two plans with the same digest do
            the same to the same apps.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    """The version of the form in which plans are saved."""
    project_id: str
    environment: str | None
    prune: bool
    steps: list[Step]
    digest: str

    @classmethod
    def of(
        cls, steps: Iterable[Step], *, project_id: str, environment: str | None, prune: bool
    ) -> "ManifestPlan":
        """The plan of these steps."""
        ordered = sorted(steps, key=_rank)
        return cls(
            project_id=project_id,
            environment=environment,
            prune=prune,
            steps=ordered,
            digest=_digest(project_id, environment, ordered),
        )

    @classmethod
    def read(cls, saved: bytes | str, name: str = "This") -> "ManifestPlan":
        """A plan that was saved. `name` is what errors call it.

        Raises:
            InvalidRequest: it is not one, or somebody has changed it.
        """
        try:
            plan = cls.model_validate_json(saved)
        except ValidationError:
            raise _no_plan(f"{printable(name, MAX_PLACE)} is not a saved plan.") from None
        if plan.digest != _digest(plan.project_id, plan.environment, plan.steps):
            raise _no_plan("The saved plan was changed after it was made.")
        return plan

    def saved(self) -> str:
        """The plan as JSON, for `read`."""
        return self.model_dump_json(indent=2, exclude_defaults=True) + "\n"

    @property
    def to_do(self) -> list[Step]:
        """The steps that do something."""
        return [step for step in self.steps if step.does_something]

    @property
    def refused(self) -> list[Step]:
        """The steps that the policy forbids."""
        return [step for step in self.to_do if step.refusals]

    def counts(self) -> dict[Action, int]:
        """How many apps there are of each action."""
        return dict(Counter(step.action for step in self.steps))

    def require_fit(self, now: "ManifestPlan") -> None:
        """Refuse this plan if one that is made now is another.

        Raises:
            PlanDoesNotFit: it is. The error names the steps that differ.
        """
        if self.digest != now.digest:
            raise PlanDoesNotFit(list(_differing(self, now)))


def _no_plan(why: str) -> InvalidRequest:
    refusal = InvalidRequest(why)
    refusal.hint = "Nothing was sent. connected-apps-mcp plan --out FILE saves a plan."
    return refusal


class PlanDoesNotFit(InvalidRequest):
    """Something has changed since a plan was made."""

    quotes = True
    hint = "Nothing was sent. Make a new plan and review it."

    def __init__(self, differing: Sequence[str]) -> None:
        named = ", ".join(differing[:MAX_NAMED]) or "something has changed since it was made"
        more = f" and {len(differing) - MAX_NAMED} more" if len(differing) > MAX_NAMED else ""
        super().__init__(f"The plan no longer fits what is there: {named}{more}.")


def _rank(step: Step) -> tuple[int, str, str]:
    order: tuple[Action, ...] = (*DOES_SOMETHING, "unmanaged", "nothing")
    return order.index(step.action), step.key or "", step.client_id or ""


def _digest(project_id: str, environment: str | None, steps: Iterable[Step]) -> str:
    done = [step.model_dump_json(exclude={"evidence"}) for step in steps if step.does_something]
    return digest(project_id, environment, *done)


def _differing(one: ManifestPlan, other: ManifestPlan) -> Iterator[str]:
    ours, theirs = ({step.about: step for step in plan.to_do} for plan in (one, other))
    return (about for about in {**ours, **theirs} if ours.get(about) != theirs.get(about))
