"""What a review answers with."""

from typing import Literal, NamedTuple

from connected_apps_tools.api.models import Result

Severity = Literal["high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low", "info")
"""The worst first."""


class Finding(Result):
    """Something about an app that a person should look at."""

    code: str
    severity: Severity
    client_id: str
    client_name: str
    """As the app has it: it may be a stranger's text, and its first 200 characters are kept."""
    fact: str
    """One line; what strangers wrote in it is made fit to be shown."""
    fix: str


class Rule(NamedTuple):
    """What a review may report."""

    code: str
    severity: Severity
    fix: str

    def finding(self, client_id: str, client_name: str, fact: str) -> Finding:
        """The finding that this rule makes of a fact."""
        return Finding(
            code=self.code,
            severity=self.severity,
            client_id=client_id,
            client_name=client_name[:MAX_FINDING_NAME],
            fact=fact,
            fix=self.fix,
        )


MAX_FINDING_NAME = 200
"""Characters of a name that are kept and compared. Nobody reads more of one."""

ASK = "Ask whom the app belongs to. Where nobody knows it, use delete_app; else use update_app"
"""How a fix begins where an app may be meant to deceive."""
