"""A finding, and the rule behind it."""

from typing import Literal, NamedTuple

from connected_apps_tools.api.models import Result

Severity = Literal["high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low", "info")
"""The most severe first."""


class Finding(Result):
    """A fact about an app that a person should check."""

    code: str
    severity: Severity
    client_id: str
    client_name: str
    """Untrusted text, not made printable; its first 200 characters."""
    fact: str
    """One line; untrusted text in it is printable."""
    fix: str


class Rule(NamedTuple):
    """A kind of finding."""

    code: str
    severity: Severity
    fix: str

    def finding(self, client_id: str, client_name: str, fact: str) -> Finding:
        """The finding for a fact."""
        return Finding(
            code=self.code,
            severity=self.severity,
            client_id=client_id,
            client_name=client_name[:MAX_FINDING_NAME],
            fact=fact,
            fix=self.fix,
        )


MAX_FINDING_NAME = 200
"""Characters of a name that are compared and reported."""

ASK = "Ask who owns the app. If nobody knows, use delete_app; else use update_app"
"""The start of the fix for an app that may be meant to deceive."""
