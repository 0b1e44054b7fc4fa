"""A plan in the words that a person reads. Every text of the service is printable and bounded."""

import json
from collections.abc import Iterator, Mapping

from connected_apps_tools.manifest.settings import DEFAULTS, TYPE, Value
from connected_apps_tools.text.printable import printable, printable_url

from .plan import Action, Adopted, FieldChange, ManifestPlan, Step

MAX_VALUE = 300
"""Most characters shown of a value."""

MAX_NAME = 100
"""Most characters shown of the name of an app."""

MAX_URLS = 100
"""Most URLs shown of those that a setting gains, and of those that it loses."""

FOUND: Mapping[Adopted, str] = {
    "by its id": "an interrupted apply has created it",
    "by its looks": "it looks like the app that an interrupted apply was creating: check that",
}

COUNTED: Mapping[Action, str] = {
    "create": "to create",
    "change": "to change",
    "delete": "to delete",
    "unmanaged": "not in the manifest",
    "nothing": "as they should be",
}


def summary_of(plan: ManifestPlan) -> str:
    """How many apps there are of each action, as a sentence."""
    counts = plan.counts()
    parts = [f"{counts[action]:,} {words}" for action, words in COUNTED.items() if action in counts]
    return f"Apps: {', '.join(parts) or 'none'}."


def named(step: Step) -> str:
    """The app of a step: its key and its id, and its name in quotes."""
    name = json.dumps(printable(step.client_name, MAX_NAME), ensure_ascii=False)
    ids = f" ({printable(step.client_id, MAX_NAME)})" if step.key and step.client_id else ""
    return f"{step.about}{ids} {name}"


def lines_of(step: Step) -> Iterator[str]:
    """A step: the app, what changes, what makes it less protected, and what is forbidden."""
    yield f"{step.action} {named(step)}"
    for line in (*notes_on(step), *changes_in(step)):
        yield f"  {line}"
    for label, fact in step.weakens:
        yield f"  less protected: {label}: {fact}"
    for refusal in step.refusals:
        yield f"  refused: {refusal}"


def notes_on(step: Step) -> Iterator[str]:
    """What a person should know of the app of a step."""
    if step.adopted:
        yield FOUND[step.adopted]
    if step.gone:
        yield f"its app {printable(step.gone, MAX_NAME)} is gone, so a new one is made"
    for client_id in step.same_name:
        there = printable(client_id, MAX_NAME)
        yield f"an app of this name is there, {there}: import it if it is the one"
    yield from step.evidence


def changes_in(step: Step) -> Iterator[str]:
    """What changes in an app: each setting before and after, and the URLs that come and go."""
    for change in _changes_of(step):
        yield from _lines_of(change)


def _changes_of(step: Step) -> list[FieldChange]:
    """What changes; of a new app all that is not the default."""
    if step.action != "create":
        return step.changes
    return [
        FieldChange(name=name, before=DEFAULTS.get(name, ""), after=value)
        for name, value in step.settings.items()
        if name != "client_name"
    ]


def _lines_of(change: FieldChange) -> Iterator[str]:
    before, after = change.before, change.after
    if isinstance(before, list) and isinstance(after, list):
        yield from _url_lines(change.name, "+", [url for url in after if url not in before])
        yield from _url_lines(change.name, "-", [url for url in before if url not in after])
    elif change.name == TYPE:
        yield f"{TYPE}: {_shown(after)}"
    else:
        yield f"{change.name}: {_shown(before)} → {_shown(after)}"


def _url_lines(name: str, sign: str, urls: list[str]) -> Iterator[str]:
    for url in urls[:MAX_URLS]:
        yield f"{name}: {sign} {printable_url(url, MAX_VALUE)}"
    if len(urls) > MAX_URLS:
        yield f"{name}: {sign} and {len(urls) - MAX_URLS} more"


def _shown(value: Value) -> str:
    if isinstance(value, str):
        return json.dumps(printable(value, MAX_VALUE), ensure_ascii=False)
    return json.dumps(value)
