"""Reviews apps one by one, without holding them in memory.

`checks` looks at one app, `breaches` applies the operator's policy to it, `comparisons` compares it
with others.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.safety.policy import Policy

from . import breaches, comparisons
from .breaches import policy_breaches
from .checks import CHECKS
from .comparisons import COMPARISONS, AppRef, ComparisonRun
from .finding import MAX_FINDING_NAME, SEVERITIES, Finding, Rule, Severity
from .limits import ReviewLimits
from .parsed_app import ParsedApp

__all__ = ["RULES", "SEVERITIES", "Finding", "Review", "ReviewLimits", "Rule", "Severity"]

RULES: tuple[Rule, ...] = (
    *(check.rule for check in CHECKS),
    *breaches.BREACH_RULES.values(),
    *comparisons.COMPARISON_RULES,
)
"""All kinds of findings; `docs/reference/review.md` explains each."""

MAX_FACTS_PER_FINDING = 3
"""Most facts in one finding; more are counted."""


class Review:
    """Takes apps one by one and reports findings.

    Its memory grows with the number of different names and redirect hosts, not with the size of the
    apps or the number of findings.
    """

    def __init__(self, limits: ReviewLimits | None = None, policy: Policy | None = None) -> None:
        self.limits = limits or ReviewLimits()
        self.policy = policy or Policy()
        self.scanned = 0
        """How many apps were added."""
        self._listed: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._runs = [ComparisonRun(comparison) for comparison in COMPARISONS]

    def add(self, app: ConnectedApp) -> None:
        """Review one app. Add each app once."""
        self.scanned += 1
        subject = ParsedApp(app, self.limits)
        for rule, found in self._facts_of(subject):
            facts = list(dict.fromkeys(found))
            if facts:
                self._counts[rule.code] += 1
                if self._counts[rule.code] <= self.limits.max_per_code:
                    self._listed.append(
                        rule.finding(app.client_id, app.client_name, _joined(facts))
                    )
        app_ref = AppRef(app.client_id, app.client_name[:MAX_FINDING_NAME])
        for run in self._runs:
            run.add(subject, app_ref)

    def _facts_of(self, subject: ParsedApp) -> Iterator[tuple[Rule, Iterable[str]]]:
        for rule, find in CHECKS:
            yield rule, find(subject)
        yield from policy_breaches(self.policy, subject.app)

    def findings(self) -> list[Finding]:
        """The findings so far, sorted by severity, code and client_id.

        There are at most `max_per_code` of each code, and at most three for a shared name or host.
        `counts` has the full numbers.
        """
        found = list(self._listed)
        listed: Counter[str] = Counter()
        for run in self._runs:
            for finding in run.findings():
                listed[finding.code] += 1
                if listed[finding.code] <= self.limits.max_per_code:
                    found.append(finding)
        return sorted(found, key=_order)

    def counts(self) -> dict[str, int]:
        """The number of findings by code, listed or not."""
        counts = sum((run.counts() for run in self._runs), self._counts)
        return dict(sorted(counts.items()))


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return SEVERITIES.index(finding.severity), finding.code, finding.client_id, finding.fact


def _joined(facts: list[str]) -> str:
    more = len(facts) - MAX_FACTS_PER_FINDING
    return " ".join(facts[:MAX_FACTS_PER_FINDING]) + (f" And {more} more." if more > 0 else "")
