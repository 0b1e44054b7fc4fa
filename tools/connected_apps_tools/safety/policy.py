"""The operator's policy: one TOML file, read at the start, that no call can change."""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from connected_apps_tools.api.models import ClientType, Model
from connected_apps_tools.api.service import INT32_MAX
from connected_apps_tools.errors import InvalidRequest, PolicyRefusal
from connected_apps_tools.scopes import Scope
from connected_apps_tools.text.printable import cut, did_you_mean, printable, redact_tokens
from connected_apps_tools.text.urls import WEB_SCHEMES, Url, parse

from .caller_rules import (
    CallerFacts,
    CallerRule,
    CallersMatch,
    Confirm,
    FromList,
    ProtectedApps,
    Reveal,
)
from .destinations import Destination, Destinations, NamedDestinations
from .patterns import MAX_RULE_TEXT, HostGlob, SchemeGlob, matches

MAX_SENTENCES = 10
"""Most breaches, or mistakes in the file, that one error names."""

NEW_APP_MINUTES = 60
"""Lifetime of access tokens if a new app does not set it (KNOWN)."""

URL_FIELDS = ("redirect_urls", "post_logout_redirect_urls")

_FROM_LAX_TO_STRICT: dict[str, tuple[str, ...]] = {
    "reveal": ("allow", "never"),
    "confirm": ("never", "auto", "always"),
}


class AppLike(Protocol):
    """An app, or the settings of a new one. None means left out."""

    @property
    def redirect_urls(self) -> list[str] | None: ...  # noqa: D102 - the API's own fields
    @property
    def post_logout_redirect_urls(self) -> list[str] | None: ...  # noqa: D102
    @property
    def client_type(self) -> str: ...  # noqa: D102
    @property
    def access_token_expiry_minutes(self) -> int | None: ...  # noqa: D102
    @property
    def full_access_allowed(self) -> bool | None: ...  # noqa: D102
    @property
    def bypass_consent_for_offline_access(self) -> bool | None: ...  # noqa: D102


class Breach(NamedTuple):
    """A rule that an app breaks."""

    rule: str
    what: tuple[str, object]
    """The field and the value that break it. It distinguishes breaches and is never shown."""
    fact: str
    """The rest of a sentence, printable."""

    def __str__(self) -> str:
        return f"policy {self.rule}: {self.fact}"


class Policy(Model):
    """What tools may do in a project. A rule that is left out sets no limit."""

    model_config = ConfigDict(extra="forbid")

    redirect_hosts: Annotated[tuple[HostGlob, ...], FromList] | None = None
    """Allowed hosts of http and https URLs, for redirects and post-logout redirects."""
    redirect_schemes: Annotated[tuple[SchemeGlob, ...], FromList] | None = None
    """Allowed schemes of these URLs."""
    client_types: Annotated[tuple[ClientType, ...], FromList] | None = None
    """Types that a new app may have."""
    max_access_token_expiry_minutes: int | None = Field(None, ge=1, le=INT32_MAX)
    allow_full_access: bool = True
    """Whether `full_access_allowed` may be true."""
    allow_consent_bypass: bool = True
    """Whether `bypass_consent_for_offline_access` may be true."""
    protected_apps: ProtectedApps = ProtectedApps()
    reveal: Reveal | None = None
    confirm: Confirm | None = None
    toolsets: Annotated[tuple[str, ...], FromList] | None = None
    callers: Annotated[tuple[CallerRule, ...], FromList] = ()
    """Rules for some of the callers over HTTP."""
    destinations: NamedDestinations = Destinations()
    """Where client secrets may be brought, by name."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The policy in a file.

        Raises:
            InvalidRequest: the file cannot be read, or has mistakes. The text names the file and
                each wrong key with its rule.
        """
        import tomllib

        try:
            return cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            mistakes = _first(list(map(_explain, problems)))
        except OSError as error:
            mistakes = [f"it cannot be read ({error.strerror})"]
        except (ValueError, RecursionError) as error:
            mistakes = [f"it is not valid TOML ({printable(str(error))})"]
        name = printable(str(path))
        raise InvalidRequest("\n".join(f"{name}: {mistake}" for mistake in mistakes))

    def permits(self, setting: Literal["reveal", "confirm", "toolsets"], asked: Any) -> bool:  # noqa: ANN401 - as the setting has it
        """Whether a setting may have this value: the one in the policy, or a stricter one."""
        rule = getattr(self, setting)
        if rule is None:
            return True
        if setting == "toolsets":
            return set(asked) <= set(rule)
        order = _FROM_LAX_TO_STRICT[setting]
        return order.index(asked) >= order.index(rule)

    def rules(self) -> dict[str, Any]:
        """The rules that are set, by their dotted names."""
        limits = self.model_dump(mode="json", exclude_defaults=True)
        protected = limits.pop("protected_apps", {})
        callers = {_rule_name(at): rule for at, rule in enumerate(limits.pop("callers", ()))}
        destinations = limits.pop("destinations", {})
        named = {f"protected_apps.{key}": value for key, value in protected.items()}
        named |= {f"destinations.{name}": value for name, value in destinations.items()}
        return limits | named | callers

    def rules_for(self, caller: CallerFacts) -> dict[str, CallerRule]:
        """The rules for a caller, by their dotted names."""
        rules = enumerate(self.callers)
        return {_rule_name(at): rule for at, rule in rules if rule.limits(caller)}

    def every_protected_app(self) -> ProtectedApps:
        """The apps that some caller may not change."""
        return reduce(or_, (rule.protected_apps for rule in self.callers), self.protected_apps)

    def for_caller(self, caller: CallerFacts) -> Self:
        """This policy, narrowed by the rules for a caller."""
        return reduce(type(self)._narrowed_by, self.rules_for(caller).values(), self)

    def _narrowed_by(self, rule: CallerRule) -> Self:
        def strictest(name: str, one: Any, other: Any) -> Any:  # noqa: ANN401 - as the setting has it
            given = [value for value in (one, other) if value is not None]
            return max(given, key=_FROM_LAX_TO_STRICT[name].index, default=None)

        toolsets = self.toolsets
        if rule.toolsets is not None:
            toolsets = tuple(each for each in rule.toolsets if toolsets is None or each in toolsets)
        return self.model_copy(
            update={
                "reveal": strictest("reveal", self.reveal, rule.reveal),
                "confirm": strictest("confirm", self.confirm, rule.confirm),
                "toolsets": toolsets,
                "protected_apps": self.protected_apps | rule.protected_apps,
            }
        )

    def granted_to(self, caller: CallerFacts) -> frozenset[Scope]:
        """The scopes that the rules give a caller, for an issuer that gives none."""
        given = [rule.grant_scopes for rule in self.rules_for(caller).values()]
        return frozenset(scope for scopes in given for scope in scopes)

    def reachable_by(self, caller: CallerFacts) -> frozenset[Scope]:
        """The most scopes that a caller may have."""
        reachable = frozenset(Scope)
        for rule in self.rules_for(caller).values():
            if rule.max_scopes is not None:
                reachable &= frozenset(rule.max_scopes)
        return reachable

    def broken_rules(self, app: AppLike) -> list[str]:
        """A sentence for each rule that an app breaks, with the name of the rule."""
        return [str(breach) for breach in self.breaches(app)]

    def breaches(self, app: AppLike) -> Iterator[Breach]:
        """The rules that an app breaks."""
        yield from self._type_breaches(app)
        yield from self._url_breaches(app)
        yield from self._token_breaches(app)
        for rule, field in _SWITCHES.items():
            if getattr(app, field) and not getattr(self, rule):
                yield Breach(rule, (field, True), f"{field} may not be true")

    def check_new(self, app: AppLike) -> None:
        """Refuse a new app that breaks a rule.

        Raises:
            PolicyRefusal: it breaks one.
        """
        _refuse({breach: str(breach) for breach in self.breaches(app)})

    def check_change(self, before: AppLike, after: AppLike) -> None:
        """Refuse a change after which the app breaks a rule.

        A change that only removes breaches may leave others, so that an app can be fixed step by
        step. The type is not checked: it cannot be changed.

        Raises:
            PolicyRefusal: the app breaks a rule, and the change is not such a step.
        """
        was, now = (
            # An ordered set: an app may have any number of URLs.
            {breach: None for breach in self.breaches(app) if breach.rule != "client_types"}
            for app in (before, after)
        )
        if not now.keys() < was.keys():
            _refuse(
                {breach: f"{breach}{' (as before)' if breach in was else ''}" for breach in now}
            )

    def protects(self, client_id: str, name: str | None = None) -> bool:
        """Whether tools may not change the app with this id or name."""
        protected = self.protected_apps
        return client_id.casefold() in protected.client_ids or name in protected.names

    def destination(self, name: str, client_id: str) -> Destination:
        """The destination with a name, for a secret of an app.

        Raises:
            InvalidRequest: there is none, or it is not for this app. The text names those that are.
        """
        fitting = [each for each, place in self.destinations.items() if place.takes(client_id)]
        if name in fitting:
            return self.destinations[name]
        known = f"Destinations for this app: {', '.join(fitting) or 'none'}."
        if name in self.destinations:
            refusal = PolicyRefusal(
                f"policy destinations.{name}.apps: it is not for this app. {known}"
            )
            refusal.rules = frozenset({"destinations"})
            raise refusal
        shown = printable(name, MAX_RULE_TEXT)
        raise InvalidRequest(
            f"There is no destination {shown}.{did_you_mean(name, fitting)} {known}"
        )

    def check_unprotected(self, client_id: str, name: str | None = None) -> None:
        """Refuse to change a protected app.

        Raises:
            PolicyRefusal: the app is protected.
        """
        if self.protects(client_id, name):
            refusal = PolicyRefusal("policy protected_apps: tools may not change or delete the app")
            refusal.rules = frozenset({"protected_apps"})
            refusal.hint = (
                "Nothing was sent. The operator protects this app; only the operator can change it."
            )
            raise refusal

    def _type_breaches(self, app: AppLike) -> Iterator[Breach]:
        if self.client_types is not None and app.client_type not in self.client_types:
            shown = printable(app.client_type, MAX_RULE_TEXT)
            fact = f"{shown} is not allowed, {_only(self.client_types)}"
            yield Breach("client_types", ("client_type", app.client_type), fact)

    def _token_breaches(self, app: AppLike) -> Iterator[Breach]:
        given, most = app.access_token_expiry_minutes, self.max_access_token_expiry_minutes
        minutes = NEW_APP_MINUTES if given is None else given
        if most is not None and minutes > most:
            field = "access_token_expiry_minutes"
            default = " (the default)" if given is None else ""
            fact = f"{field} is {minutes}{default}; the limit is {most}"
            yield Breach(f"max_{field}", (field, minutes), fact)

    def _url_breaches(self, app: AppLike) -> Iterator[Breach]:
        for field in URL_FIELDS:
            for url in map(parse, dict.fromkeys(getattr(app, field) or ())):
                problems = {
                    "redirect_schemes": self._scheme_problem(url),
                    "redirect_hosts": self._host_problem(url),
                }
                for rule, problem in problems.items():
                    if problem:
                        yield Breach(rule, (field, url.text), f"{problem} ({field})")

    def _scheme_problem(self, url: Url) -> str | None:
        if self.redirect_schemes is None or self._allows_scheme(url.scheme):
            return None
        if not url.scheme:
            return f"{_malformed(url)} has no scheme"
        return f"the scheme {_shown(url.scheme)} is not allowed, {_only(self.redirect_schemes)}"

    def _host_problem(self, url: Url) -> str | None:
        if self.redirect_hosts is None:
            return None
        if url.problem:
            return f"{_malformed(url)} {url.problem}"
        if url.scheme not in WEB_SCHEMES:
            if self._allows_scheme(url.scheme):
                return None
            shown = _shown(url.scheme)
            return f"the scheme {shown} has no host; list it in redirect_schemes to allow it"
        labels = url.host.split(".")
        allowed = any(matches(glob.split("."), labels) for glob in self.redirect_hosts)
        problem = _ambiguity(url) or ("" if allowed else "is not allowed")
        return f"{_shown(url.host)} {problem}" if problem else None

    def _allows_scheme(self, scheme: str) -> bool:
        labels = scheme.split(".")[::-1]
        return all(labels) and any(
            matches(glob.split(".")[::-1], labels) for glob in self.redirect_schemes or ()
        )


_SWITCHES = {
    "allow_full_access": "full_access_allowed",
    "allow_consent_bypass": "bypass_consent_for_offline_access",
}
"""The field that each of these rules allows to be true."""


def _rule_name(at: int) -> str:
    return f"callers.{at}"


def _ambiguity(url: Url) -> str | None:
    """Why parsers may read different hosts."""
    if url.user_info:
        return "follows user information and an @, which is not allowed"
    if "*" in url.host:
        return "contains an asterisk, so it is not one host"
    if url.unicode_written:  # browsers have changed how they read such names
        return "must be written in this ASCII form"
    return None


def _shown(text: str) -> str:
    return printable(text, MAX_RULE_TEXT)


def _malformed(url: Url) -> str:
    return cut(redact_tokens(url.text), MAX_RULE_TEXT) or "an empty URL"


def _only(allowed: tuple[str, ...]) -> str:
    return f"only {', '.join(allowed)}" if allowed else "and no other is"


def _first(sentences: list[str]) -> list[str]:
    more = len(sentences) - MAX_SENTENCES
    return sentences[:MAX_SENTENCES] + ([f"and {more} more"] if more > 0 else [])


def _refuse(breaches: Mapping[Breach, str]) -> None:
    """Refuse what has breaches, with a sentence about each."""
    if breaches:
        refusal = PolicyRefusal("; ".join(_first(list(breaches.values()))))
        refusal.rules = frozenset(breach.rule for breach in breaches)
        raise refusal


_TABLES: dict[str, type[Model]] = {
    "protected_apps": ProtectedApps,
    "callers": CallerRule,
    "match": CallersMatch,
    "unless": CallersMatch,
    "destinations": Destination,
}
"""The tables of the file."""


def _fields_beside(place: tuple[int | str, ...]) -> Iterable[str]:
    """The keys of the table that a key is in."""
    tables = [_TABLES[str(part)] for part in place[:-1] if part in _TABLES]
    return (tables[-1] if tables else Policy).model_fields


def _explain(problem: ErrorDetails) -> str:
    """A sentence on a mistake in the file: its key and its rule."""
    key = printable(".".join(map(str, problem["loc"])), MAX_RULE_TEXT)
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}"
    known = _fields_beside(problem["loc"])
    near = did_you_mean(str(problem["loc"][-1]), known)
    return f"{key}: there is no such key.{near or ' Known keys: ' + ', '.join(known)}"
