"""What can only be told of an app beside others: what it may be taken for.

A comparison keeps a few ids and names for each name or host that it has met, and no app.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .finding import ASK, MAX_FINDING_NAME, Finding, Rule
from .lookalikes import skeleton, spelling
from .parsed_app import ParsedApp, shown

MAX_BEARERS = 3
"""Apps that are kept by id where many have the same name or host; the rest is counted."""


class Trait(NamedTuple):
    """Something of an app by which it may be taken for another."""

    look: str
    """The same for all that look the same."""
    spelling: str
    """Tells those apart that only look the same."""


class Bearer(NamedTuple):
    """An app that has a trait."""

    client_id: str
    client_name: str


class Bearers(NamedTuple):
    """The apps that have a trait, and are as far from the operator as each other."""

    how_many: int = 0
    first: tuple[Bearer, ...] = ()

    def plus(self, bearer: Bearer) -> "Bearers":
        """One more, kept by id while they are few."""
        return Bearers(self.how_many + 1, (*self.first, bearer)[:MAX_BEARERS])


class Variant(NamedTuple):
    """One spelling of what looks the same."""

    distance: int
    spelling: str
    bearers: Bearers

    def __str__(self) -> str:
        app = self.bearers.first[0]
        owner = ("the operator's own app", "a third party's app", "a stranger's app")
        return f"{owner[self.distance]} {shown(app.client_name)} ({shown(app.client_id)})"


class Group:
    """All that looks the same."""

    def __init__(self, variants: list[Variant]) -> None:
        self.variants = variants
        self.nearest = min(variants, key=lambda variant: variant.distance)
        """What the others may be taken for: the nearest to the operator, and of these the first."""
        self.own = {v.spelling: v for v in variants if v.distance == 0}
        """The operator's own, by spelling."""

    def disguised(self, variant: Variant) -> bool:
        """Whether it is not the operator's, and spelled otherwise than what it looks like."""
        return variant.distance > 0 and variant.spelling != self.nearest.spelling


Verdict = tuple[Rule, str] | None


class Comparison(NamedTuple):
    """By what apps are compared, and what is said of a variant in its group."""

    traits: Callable[[ParsedApp], Iterable[Trait]]
    judge: Callable[[Variant, Group], Verdict]


class Compared:
    """What one comparison has met so far."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        # Flat, since nearly all groups are of one.
        self._met: dict[tuple[str, int, str], Bearers] = {}

    def see(self, app: ParsedApp, bearer: Bearer) -> None:
        """Take in one app."""
        for look, spelled in set(self._comparison.traits(app)):
            key = (look, app.distance, spelled)
            self._met[key] = self._met.get(key, Bearers()).plus(bearer)

    def findings(self) -> Iterator[Finding]:
        """One for each suspect that is known by id."""
        for rule, fact, suspects in self._verdicts():
            for suspect in suspects.first:
                yield rule.finding(*suspect, fact)

    def counts(self) -> Counter[str]:
        """How many suspects there are by code, known by id or not."""
        counts = Counter[str]()
        for rule, _, suspects in self._verdicts():
            counts[rule.code] += suspects.how_many
        return counts

    def _verdicts(self) -> Iterator[tuple[Rule, str, Bearers]]:
        for group in self._groups():
            for variant in group.variants:
                verdict = self._comparison.judge(variant, group)
                if verdict:
                    yield *verdict, variant.bearers

    def _groups(self) -> Iterator[Group]:
        sizes = Counter(look for look, _, _ in self._met)
        groups = defaultdict[str, list[Variant]](list)
        for (look, distance, spelled), bearers in self._met.items():
            if sizes[look] > 1:
                groups[look].append(Variant(distance, spelled, bearers))
        return map(Group, groups.values())


IMITATED_NAME = Rule("imitated-name", "medium", f"{ASK} to rename it.")
IMITATED_HOST = Rule("imitated-host", "medium", f"{ASK} to remove the URL.")
SHARED_HOST = Rule(
    "shared-redirect-host",
    "medium",
    "Give each party a host of its own with update_app. Where it is one party after all, register "
    "the app anew with create_app, since a type cannot be changed, and then use delete_app.",
)
RULES = (IMITATED_NAME, IMITATED_HOST, SHARED_HOST)


def _names(app: ParsedApp) -> Iterator[Trait]:
    name = app.app.client_name[:MAX_FINDING_NAME]
    # A name of symbols alone is compared as it is.
    look = skeleton(name) or name.strip()
    if look:
        yield Trait(look, spelling(name))


def _judge_name(variant: Variant, group: Group) -> Verdict:
    """Users are asked for consent by the name (OAuth 2.1, 7.3).

    Among strangers' apps the same name is ordinary, since each installation of a client may
    register itself; a name in disguise is not.
    """
    if variant.distance > group.nearest.distance or group.disguised(variant):
        return IMITATED_NAME, f"Its name reads like that of {group.nearest}."
    return None


def _hosts(app: ParsedApp) -> Iterator[Trait]:
    for link in app.redirects:
        if link.url.host and not link.url.loopback:
            yield Trait(".".join(map(skeleton, link.url.labels)), link.url.host)


def _judge_host(variant: Variant, group: Group) -> Verdict:
    """A code that is meant for one party must not reach the other (RFC 9700, 4.1)."""
    host = shown(variant.spelling)
    if variant.distance > 0 and variant.spelling in group.own:
        return SHARED_HOST, f"It redirects to {host}, like {group.own[variant.spelling]}."
    if group.disguised(variant):
        nearest = group.nearest
        fact = f"Its redirect host {host} looks like {shown(nearest.spelling)} of {nearest}."
        return IMITATED_HOST, fact
    return None


COMPARISONS = (Comparison(_names, _judge_name), Comparison(_hosts, _judge_host))
