"""What a person is asked before something that cannot be undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from .models import App
from .text import printable, printable_url
from .urls import host_of

WHO_WILL_KNOW = "The model will know it, and so will whoever can read this conversation."

MAX_VALUE = 2_000
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
        lines = [f"{label}: {printable(fact, MAX_VALUE)}" for label, fact in facts]
        return "\n".join([self.act, *lines, self.consequence])


def about(app: App) -> list[tuple[str, str]]:
    """What tells a person which app it is."""
    hosts = list(dict.fromkeys(host_of(url) or url for url in app.redirect_urls))
    named = ", ".join(printable_url(host, MAX_HOST) for host in hosts[:MAX_HOSTS])
    more = f" and {len(hosts) - MAX_HOSTS} more" if len(hosts) > MAX_HOSTS else ""
    return [
        ("App", f"{app.client_name} ({app.client_type})"),
        ("Client id", app.client_id),
        ("Redirect hosts", (named or "none") + more),
    ]


def digest(*parts: object) -> str:
    """A digest of what an answer holds for, where no app's version says it."""
    return sha256(repr(parts).encode()).hexdigest()[:16]
