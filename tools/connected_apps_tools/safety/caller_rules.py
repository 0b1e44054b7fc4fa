"""Rules of the policy for some of the callers over HTTP."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from connected_apps_tools.api.models import ClientId, Model
from connected_apps_tools.scopes import Scope
from connected_apps_tools.text.urls import canonical_host

from .patterns import mistake


def _domain(text: str) -> str:
    domain = canonical_host(text)
    if domain is None or "*" in domain:
        raise mistake(text, "give a domain alone, without an asterisk, as in corp.example")
    return domain


Name = Annotated[str, StringConstraints(min_length=1)]
FromList = Strict(strict=False)
"""TOML has lists; a frozen model needs tuples."""

Names = Annotated[tuple[Name, ...], FromList]
SomeNames = Annotated[tuple[Name, ...], FromList, Field(min_length=1)]
"""No name would fit no caller: the rule would seem to limit somebody."""

SomeDomains = Annotated[
    tuple[Annotated[Name, AfterValidator(_domain)], ...], FromList, Field(min_length=1)
]
Scopes = Annotated[tuple[Annotated[Scope, FromList], ...], FromList]

AnyCaseId = Annotated[ClientId, AfterValidator(str.casefold)]
Confirm = Literal["never", "auto", "always"]
Reveal = Literal["allow", "never"]


class ProtectedApps(Model):
    """The apps that tools may not change. An id is safer: any app can have a name."""

    model_config = ConfigDict(extra="forbid")

    client_ids: Annotated[tuple[AnyCaseId, ...], FromList] = ()
    """Compared without case: it is UNKNOWN whether the service distinguishes it."""
    names: Names = ()
    """Compared exactly."""

    def __or__(self, other: "ProtectedApps") -> "ProtectedApps":
        return ProtectedApps(
            client_ids=self.client_ids + other.client_ids, names=self.names + other.names
        )


@dataclass(frozen=True)
class CallerFacts:
    """What a token says about its holder.

    Attributes:
        email_domain: the domain of the e-mail address, if the issuer has verified it.
    """

    issuer: str | None = None
    subject: str | None = None
    client: str | None = None
    groups: frozenset[str] = frozenset()
    email_domain: str | None = None


class CallersMatch(Model):
    """Which callers. Every key that is given must fit; a key fits with any of its values."""

    model_config = ConfigDict(extra="forbid")

    issuers: SomeNames | None = None
    subjects: SomeNames | None = None
    clients: SomeNames | None = None
    groups: SomeNames | None = None
    email_domains: SomeDomains | None = None

    def fits(self, caller: CallerFacts) -> bool:
        """Whether a caller is one of these."""
        domain = caller.email_domain and canonical_host(caller.email_domain)
        facts: dict[str, frozenset[str]] = {
            "issuers": _one(caller.issuer),
            "subjects": _one(caller.subject),
            "clients": _one(caller.client),
            "groups": caller.groups,
            "email_domains": _one(domain),
        }
        given = {name: set(names) for name, names in self if names is not None}
        return all(facts[name] & names for name, names in given.items())


class CallerRule(Model):
    """What some callers may do at most."""

    model_config = ConfigDict(extra="forbid")

    match: CallersMatch = CallersMatch()
    """The callers; left out, all of them."""
    unless: CallersMatch | None = None
    """The callers among them that the rule does not limit."""
    grant_scopes: Scopes = ()
    """With an issuer that gives no scopes: what these callers may do."""
    max_scopes: Scopes | None = None
    toolsets: Names | None = None
    reveal: Reveal | None = None
    confirm: Confirm | None = None
    protected_apps: ProtectedApps = Field(default_factory=ProtectedApps)

    @model_validator(mode="after")
    def _leaves_somebody(self) -> Self:
        if self.unless == CallersMatch():
            raise PydanticCustomError("policy", "an empty unless spares every caller")
        return self

    def limits(self, caller: CallerFacts) -> bool:
        """Whether the rule is for a caller."""
        return self.match.fits(caller) and not (self.unless and self.unless.fits(caller))


def _one(fact: str | None) -> frozenset[str]:
    return frozenset() if fact is None else frozenset({fact})
