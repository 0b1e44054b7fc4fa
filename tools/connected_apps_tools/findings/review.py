"""Reviews apps as they come by, and keeps none of them.

`checks` holds what can be told of one app by itself, `breaches` what the operator's policy says of
it, `comparisons` what can only be told of it beside others.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.safety.policy import Policy

from . import breaches, comparisons
from .breaches import breached
from .checks import CHECKS
from .comparisons import COMPARISONS, Bearer, Compared
from .finding import MAX_FINDING_NAME, SEVERITIES, Finding, Rule, Severity
from .limits import ReviewLimits
from .parsed_app import ParsedApp

__all__ = ["RULES", "SEVERITIES", "Finding", "Review", "ReviewLimits", "Rule", "Severity"]

RULES: tuple[Rule, ...] = (
    *(check.rule for check in CHECKS),
    *breaches.RULES.values(),
    *comparisons.RULES,
)
"""All that a review may report; `docs/review.md` explains each."""

MAX_FACTS_PER_FINDING = 3
"""Facts of one kind about one app that are told; more are counted."""


class Review:
    """Sees one app after the other, then says what it found.

    Its memory grows with the number of different names and redirect hosts that it meets, and with
    neither the size of the apps nor the number of findings.
    """

    def __init__(self, bounds: ReviewLimits | None = None, policy: Policy | None = None) -> None:
        self.bounds = bounds or ReviewLimits()
        self.policy = policy or Policy()
        self.seen = 0
        """How many apps were seen."""
        self._listed: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._compared = [Compared(comparison) for comparison in COMPARISONS]

    def see(self, app: ConnectedApp) -> None:
        """Take in one app. Each app should come by once."""
        self.seen += 1
        subject = ParsedApp(app, self.bounds)
        for rule, told in self._told_of(subject):
            facts = list(dict.fromkeys(told))
            if facts:
                self._counts[rule.code] += 1
                if self._counts[rule.code] <= self.bounds.max_per_code:
                    self._listed.append(rule.finding(app.client_id, app.client_name, _told(facts)))
        bearer = Bearer(app.client_id, app.client_name[:MAX_FINDING_NAME])
        for compared in self._compared:
            compared.see(subject, bearer)

    def _told_of(self, subject: ParsedApp) -> Iterator[tuple[Rule, Iterable[str]]]:
        for rule, look in CHECKS:
            yield rule, look(subject)
        yield from breached(self.policy, subject.app)

    def findings(self) -> list[Finding]:
        """What was found so far, the worst first, then by code and client_id.

        Of each code there are at most `max_per_code`, and of many apps that share a name or a host
        the first three; how many there really are, `counts` tells.
        """
        found = list(self._listed)
        listed: Counter[str] = Counter()
        for compared in self._compared:
            for finding in compared.findings():
                listed[finding.code] += 1
                if listed[finding.code] <= self.bounds.max_per_code:
                    found.append(finding)
        return sorted(found, key=_order)

    def counts(self) -> dict[str, int]:
        """How many findings there are of each code that has any, listed or not."""
        counts = sum((compared.counts() for compared in self._compared), self._counts)
        return dict(sorted(counts.items()))


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return SEVERITIES.index(finding.severity), finding.code, finding.client_id, finding.fact


def _told(facts: list[str]) -> str:
    more = len(facts) - MAX_FACTS_PER_FINDING
    return " ".join(facts[:MAX_FACTS_PER_FINDING]) + (
        f" And {more} more like that." if more > 0 else ""
    )
