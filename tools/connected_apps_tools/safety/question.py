"""What a person is asked before something that cannot be undone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from connected_apps_tools.api.models import App
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.text.urls import targets_of

WHO_WILL_KNOW = "The model will know it, and so will whoever can read this conversation."

MAX_FACTS_IN_QUESTION = 50
"""Facts that are put to a person, who reads no more; that there are more is said."""

MAX_VALUE = 2_000
MAX_NAME_IN_QUESTION = 200
MAX_HOSTS = 10
MAX_HOST = 150


@dataclass(frozen=True)
class Question:
    """A question, in the words that a person reads.

    Attributes:
        act: what is to be done.
        facts: what it is done to, and what is different afterwards, by label. Strangers' text in
            it is cleaned where the question is put.
        consequence: what breaks, or who gains what.
        state: a digest of what the person goes by. The answer holds for it alone.
    """

    act: str
    facts: Sequence[tuple[str, str]]
    consequence: str
    state: str

    def text(self, project: str) -> str:
        """The question, a fact a line; no fact can pass for another one or for the question."""
        facts = [("Project", project), *self.facts]
        lines = [f"{label}: {_on_a_line(fact)}" for label, fact in facts[:MAX_FACTS_IN_QUESTION]]
        if more := len(facts) - len(lines):
            lines.append(f"And {more} more, which are too many to be shown.")
        return "\n".join([self.act, *lines, self.consequence])


def _on_a_line(fact: str) -> str:
    """A fact that does not begin to look like another one where a line is too long for a window."""
    return " ".join(printable(fact, MAX_VALUE).split())


def about(app: App) -> list[tuple[str, str]]:
    """What tells a person which app it is."""
    return [
        *described(app.client_name, app.client_type),
        ("Client id", app.client_id),
        led_to(app.redirect_urls),
    ]


def described(name: str | None, client_type: str) -> list[tuple[str, str]]:
    """An app's name, between quotes so that it is seen where it ends, and its type."""
    shown = json.dumps(printable(name or "", MAX_NAME_IN_QUESTION), ensure_ascii=False)
    return [("App", shown), ("Type", client_type)]


def led_to(urls: Sequence[str]) -> tuple[str, str]:
    """Where an app's redirect URLs lead."""
    hosts = targets_of(urls)
    named = ", ".join(printable_url(host, MAX_HOST) for host in hosts[:MAX_HOSTS])
    more = f" and {len(hosts) - MAX_HOSTS} more" if len(hosts) > MAX_HOSTS else ""
    return "Redirect hosts", (named or "none") + more


def digest(*parts: object) -> str:
    """A digest of what an answer holds for, where no app's version says it.

    It is never cut: who can choose what goes in must not find two inputs with one digest.
    """
    return sha256(repr(parts).encode()).hexdigest()
