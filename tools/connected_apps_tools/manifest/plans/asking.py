"""The question about a whole plan."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from connected_apps_tools.safety.question import MAX_FACTS_IN_QUESTION, MAX_VALUE, Question

from .describing import lines_of, named, summary_of
from .plan import ManifestPlan, Step

Fact = tuple[str, str]


def question_about(plan: ManifestPlan) -> Question:
    """The question whether to do everything that a plan says.

    What cannot be undone comes first, then what makes apps less protected.
    """
    facts = [("Plan", summary_of(plan)), *_facts(plan)]
    return Question(
        "Do all of this?",
        facts,
        "It takes effect at once. Deleted apps cannot be restored: their client ids and secrets "
        "stop working.",
        plan.digest,
        too_long=len(facts) >= MAX_FACTS_IN_QUESTION,
    )


def _facts(plan: ManifestPlan) -> Iterator[Fact]:
    steps = {action: _of(plan, action) for action in ("delete", "change", "create")}
    yield from _packed("Delete", map(_deleted, steps["delete"]))
    yield from _packed("Less protected", _weakenings(steps["change"]))
    yield from _changes(steps["change"])
    yield from _packed("Create", ("; ".join(_about(step)) for step in steps["create"]))


def _of(plan: ManifestPlan, action: str) -> list[Step]:
    return [step for step in plan.to_do if step.action == action]


def _deleted(step: Step) -> str:
    return "; ".join([named(step), *step.evidence])


def _weakenings(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        for label, fact in step.weakens:
            yield f"{named(step)}: {label}: {fact}"


def _changes(steps: Sequence[Step]) -> Iterator[Fact]:
    """The changes. What changes alike in several apps is said once."""
    alike: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        alike["; ".join(_about(step)[1:])].append(named(step))
    for change, apps in alike.items():
        yield from _packed("Change", apps, before=f"{change} in ")


def _about(step: Step) -> list[str]:
    return [named(step), *(line.strip() for line in list(lines_of(step))[1:])]


def _packed(label: str, items: Iterable[str], *, before: str = "") -> Iterator[Fact]:
    """Items in as few facts as they fit into, each after the same words."""
    fact = ""
    for item in items:
        longer = f"{fact} · {item}" if fact else before + item
        if fact and len(longer) > MAX_VALUE:
            yield label, fact
            longer = before + item
        fact = longer
    if fact:
        yield label, fact
