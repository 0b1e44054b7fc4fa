"""The question about a whole plan."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from connected_apps_tools.safety.question import MAX_FACTS_IN_QUESTION, MAX_VALUE, Question

from .describing import changes_in, named, notes_on, summary_of
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
        too_long=len(facts) >= MAX_FACTS_IN_QUESTION or any(map(_is_cut, facts)),
    )


def _is_cut(fact: Fact) -> bool:
    return len(fact[1]) > MAX_VALUE


def _facts(plan: ManifestPlan) -> Iterator[Fact]:
    steps = {action: _of(plan, action) for action in ("delete", "change", "create")}
    yield from _packed("Delete", map(_app, steps["delete"]))
    yield from _packed("Less protected", _weakenings(steps["change"]))
    yield from _changes(steps["change"])
    yield from _packed("Create", map(_created, steps["create"]))


def _of(plan: ManifestPlan, action: str) -> list[Step]:
    return [step for step in plan.to_do if step.action == action]


def _app(step: Step) -> str:
    """The app of a step, and what a person should know of it."""
    return "; ".join([named(step), *notes_on(step)])


def _created(step: Step) -> str:
    return "; ".join([_app(step), *changes_in(step)])


def _weakenings(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        for label, fact in step.weakens:
            yield f"{named(step)}: {label}: {fact}"


def _changes(steps: Sequence[Step]) -> Iterator[Fact]:
    """The changes. What changes alike in several apps is said once, after their names."""
    alike: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        alike[repr(step.changes)].append(step)
    for group in alike.values():
        changes = "; ".join(changes_in(group[0]))
        yield from _packed("Change", map(_app, group), after=f": {changes}")


def _packed(label: str, items: Iterable[str], *, after: str = "") -> Iterator[Fact]:
    """Items in as few facts as they fit into, each before the same words."""
    fact = ""
    for item in items:
        longer = f"{fact} · {item}" if fact else item
        if fact and len(longer) + len(after) > MAX_VALUE:
            yield label, fact + after
            longer = item
        fact = longer
    if fact:
        yield label, fact + after
