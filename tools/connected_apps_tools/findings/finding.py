"""What a review answers with, and what it goes by."""

from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, StringConstraints

from connected_apps_tools.models import INT32_MAX, Model, Result

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


class Bounds(Model):
    """Where a review draws its lines."""

    model_config = ConfigDict(extra="forbid")

    max_token_minutes: int = Field(
        1440,
        ge=1,
        le=INT32_MAX,
        description="Minutes that access tokens may live before a review reports it. Default: "
        "1440, a day; the service itself gives a new app 60.",
    )
    """A resource server that checks tokens by their signature honours them until they expire,
    whatever is revoked or deleted meanwhile, so this is how long a leaked one serves a thief.
    OAuth 2.1 (7.1.3) asks for short lives and names no figure. A day leaves alone what was
    lengthened for a reason, and puts a thief out by the next day.
    """

    max_per_code: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Findings of one code that a review lists; more are only counted. "
        "Default: 100.",
    )

    stranger_methods: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        ("cimd", "dcr", "dynamic", "metadata"),
        max_length=20,
        description="What creation_method holds, in any case, where a stranger registered the app. "
        "Default: cimd, dcr, dynamic, metadata.",
    )
    """UNKNOWN: which values the service has; these are the words of the ways in that do not go
    through the operator. An app with a client_id_metadata_url is a stranger's in any case (KNOWN).
    """


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
            client_name=client_name[:MAX_NAME],
            fact=fact,
            fix=self.fix,
        )


MAX_NAME = 200
"""Characters of a name that are kept and compared. Nobody reads more of one."""

ASK = "Ask whom the app belongs to. Where nobody knows it, use delete_app; else use update_app"
"""How a fix begins where an app may be meant to deceive."""
