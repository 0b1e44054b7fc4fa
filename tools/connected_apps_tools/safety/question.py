"""The question that a person confirms or approves before a risky change."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from connected_apps_tools.api.models import App
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.text.urls import targets_of

WHO_WILL_KNOW = "The model will know it, and so will whoever can read this conversation."


class Audience(NamedTuple):
    """Who sees a secret that is shown, in the words of a question."""

    place: str
    consequence: str


CONVERSATION = Audience("in the conversation", WHO_WILL_KNOW)
PAGE = Audience(
    "on this page", "Everybody who sees this screen will know it. It does not enter a conversation."
)

MAX_FACTS_IN_QUESTION = 50
"""Most facts in one question. The question says how many more there are."""

MAX_VALUE = 2_000
MAX_NAME_IN_QUESTION = 200
MAX_HOSTS = 10
MAX_HOST = 150


@dataclass(frozen=True)
class Question:
    """A question, in the words that a person reads.

    Attributes:
        act: the change.
        facts: the app and what changes, by label. `text` makes untrusted text printable.
        consequence: what stops working, or who gains access.
        state: a digest of what the person decides on. The answer is valid for this state only.
        too_long: whether it has more facts than a person can be shown at once.
    """

    act: str
    facts: Sequence[tuple[str, str]]
    consequence: str
    state: str
    too_long: bool = False

    def text(self, project: str) -> str:
        """The question with one fact per line: no fact can look like another line."""
        facts = [("Project", project), *self.facts]
        lines = [f"{label}: {_on_a_line(fact)}" for label, fact in facts[:MAX_FACTS_IN_QUESTION]]
        if more := len(facts) - len(lines):
            lines.append(f"And {more} more facts, too many to show.")
        return "\n".join([self.act, *lines, self.consequence])


class Link(NamedTuple):
    """A page in the browser that a person may open, and why. To open it does nothing yet."""

    url: str
    why: Question


def _on_a_line(fact: str) -> str:
    """A fact on one line, without runs of blanks: no wrapped part can look like another fact."""
    return " ".join(printable(fact, MAX_VALUE).split())


def facts_about(app: App) -> list[tuple[str, str]]:
    """The facts by which a person recognises an app."""
    return [
        *name_and_type(app.client_name, app.client_type),
        ("Client id", app.client_id),
        redirect_hosts_of(app.redirect_urls),
    ]


def name_and_type(name: str | None, client_type: str) -> list[tuple[str, str]]:
    """An app's name, in quotes so that its end is visible, and its type."""
    shown = json.dumps(printable(name or "", MAX_NAME_IN_QUESTION), ensure_ascii=False)
    return [("App", shown), ("Type", client_type)]


def redirect_hosts_of(urls: Sequence[str]) -> tuple[str, str]:
    """The hosts of an app's redirect URLs."""
    hosts = targets_of(urls)
    named = ", ".join(printable_url(host, MAX_HOST) for host in hosts[:MAX_HOSTS])
    more = f" and {len(hosts) - MAX_HOSTS} more" if len(hosts) > MAX_HOSTS else ""
    return "Redirect hosts", (named or "none") + more


def digest(*parts: object) -> str:
    """A digest of a question's state, for a question without an app's version.

    It is never cut: nobody must find two inputs with the same digest.
    """
    return sha256(repr(parts).encode()).hexdigest()
