"""The checks that compare apps: which app can be confused with which.

For each name or host, a comparison remembers a few ids and names, and no whole app.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .finding import ASK, MAX_FINDING_NAME, Finding, Rule
from .lookalikes import skeleton, spelling
from .parsed_app import ParsedApp, shown

MAX_LISTED_APPS = 3
"""Most apps remembered by id for one name or host; more are only counted."""


class Trait(NamedTuple):
    """A name or host by which an app can be confused with another."""

    look: str
    """Equal for all that look alike."""
    spelling: str
    """Different for those that only look alike."""


class AppRef(NamedTuple):
    """The id and name of an app."""

    client_id: str
    client_name: str


class AppRefs(NamedTuple):
    """The apps with the same trait and the same distance from the operator."""

    total: int = 0
    first: tuple[AppRef, ...] = ()

    def adding(self, app_ref: AppRef) -> "AppRefs":
        """These and one more, remembered by id while they are few."""
        return AppRefs(self.total + 1, (*self.first, app_ref)[:MAX_LISTED_APPS])


class Variant(NamedTuple):
    """One spelling in a group that looks alike."""

    distance: int
    spelling: str
    apps: AppRefs

    def __str__(self) -> str:
        app = self.apps.first[0]
        owner = ("the operator's own app", "a third party's app", "a stranger's app")
        return f"{owner[self.distance]} {shown(app.client_name)} ({shown(app.client_id)})"


class Group:
    """All variants that look alike."""

    def __init__(self, variants: list[Variant]) -> None:
        self.variants = variants
        self.nearest = min(variants, key=lambda variant: variant.distance)
        """The variant that others imitate: the first of those nearest to the operator."""
        self.own = {v.spelling: v for v in variants if v.distance == 0}
        """The operator's own variants, by spelling."""

    def imitates_nearest(self, variant: Variant) -> bool:
        """Whether a variant of others imitates the nearest one with another spelling."""
        return variant.distance > 0 and variant.spelling != self.nearest.spelling


Verdict = tuple[Rule, str] | None


class Comparison(NamedTuple):
    """Which traits are compared, and how a variant is judged in its group."""

    traits: Callable[[ParsedApp], Iterable[Trait]]
    judge: Callable[[Variant, Group], Verdict]


class ComparisonRun:
    """One comparison of the apps added so far."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        # Flat, since nearly all groups hold one app.
        self._apps: dict[tuple[str, int, str], AppRefs] = {}

    def add(self, app: ParsedApp, app_ref: AppRef) -> None:
        """Add one app."""
        for look, spelled in dict.fromkeys(self._comparison.traits(app)):
            key = (look, app.distance, spelled)
            self._apps[key] = self._apps.get(key, AppRefs()).adding(app_ref)

    def findings(self) -> Iterator[Finding]:
        """A finding for each suspect remembered by id."""
        for rule, fact, suspects in self._verdicts():
            for suspect in suspects.first:
                yield rule.finding(*suspect, fact)

    def counts(self) -> Counter[str]:
        """The number of suspects by code, remembered by id or not."""
        counts = Counter[str]()
        for rule, _, suspects in self._verdicts():
            counts[rule.code] += suspects.total
        return counts

    def _verdicts(self) -> Iterator[tuple[Rule, str, AppRefs]]:
        for group in self._groups():
            for variant in group.variants:
                verdict = self._comparison.judge(variant, group)
                if verdict:
                    yield *verdict, variant.apps

    def _groups(self) -> Iterator[Group]:
        sizes = Counter(look for look, _, _ in self._apps)
        groups = defaultdict[str, list[Variant]](list)
        for (look, distance, spelled), apps in self._apps.items():
            if sizes[look] > 1:
                groups[look].append(Variant(distance, spelled, apps))
        return map(Group, groups.values())


IMITATED_NAME = Rule("imitated-name", "medium", f"{ASK} to rename it.")
IMITATED_HOST = Rule("imitated-host", "medium", f"{ASK} to remove the URL.")
SHARED_HOST = Rule(
    "shared-redirect-host",
    "medium",
    "Give each party its own host with update_app. If both are the same party, use create_app with "
    "the right type, since a type cannot be changed, then delete_app.",
)
COMPARISON_RULES = (IMITATED_NAME, IMITATED_HOST, SHARED_HOST)


def _names(app: ParsedApp) -> Iterator[Trait]:
    name = app.app.client_name[:MAX_FINDING_NAME]
    # A name with symbols only is compared as it is.
    look = skeleton(name) or name.strip()
    if look:
        yield Trait(look, spelling(name))


def _judge_name(variant: Variant, group: Group) -> Verdict:
    """The consent page shows the name (OAuth 2.1, 7.3).

    Strangers' apps may share a name, since each installation of a client may register itself. A
    look-alike with another spelling is reported.
    """
    if variant.distance > group.nearest.distance or group.imitates_nearest(variant):
        return IMITATED_NAME, f"Its name looks like that of {group.nearest}."
    return None


def _hosts(app: ParsedApp) -> Iterator[Trait]:
    for link in app.redirects:
        if link.url.host and not link.url.loopback:
            yield Trait(".".join(map(skeleton, link.url.labels)), link.url.host)


def _judge_host(variant: Variant, group: Group) -> Verdict:
    """A code for one party must not reach another one (RFC 9700, 4.1)."""
    host = shown(variant.spelling)
    if variant.distance > 0 and variant.spelling in group.own:
        return SHARED_HOST, f"It redirects to {host}, as does {group.own[variant.spelling]}."
    if group.imitates_nearest(variant):
        nearest = group.nearest
        fact = f"Its redirect host {host} looks like {shown(nearest.spelling)} of {nearest}."
        return IMITATED_HOST, fact
    return None


COMPARISONS = (Comparison(_names, _judge_name), Comparison(_hosts, _judge_host))
