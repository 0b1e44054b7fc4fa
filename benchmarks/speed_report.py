"""The tables of `speed.py`: the figures, and how this server's compare with the peers'."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from peers import FROM_OPENAPI, THIS, TYPESCRIPT
from tokens import Row, table

Rounds = Mapping[str, Mapping[str, Sequence[float]]]
"""The values of each figure, by its name and the server."""

Figures = dict[str, dict[str, float]]
"""The median of each figure, by its name and the server."""


@dataclass(frozen=True)
class Aim:
    """The bound of a figure of this server, or of its ratio to the same figure of a peer."""

    figure: str
    sign: Literal["≤", "≥"]
    bound: float
    peer: str | None = None

    def reached(self, figures: Figures) -> float | None:
        """The figure, or its ratio to the peer's; None if it was not measured."""
        values = figures.get(self.figure, {})
        return _ratio(values, self.peer) if self.peer else values.get(THIS)

    def met(self, figures: Figures) -> bool | None:
        """Whether the aim is met; None if it was not measured."""
        reached = self.reached(figures)
        if reached is None:
            return None
        return reached <= self.bound if self.sign == "≤" else reached >= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}" + (f" × {self.peer}" if self.peer else "")  # noqa: RUF001 - times


def _aims() -> Iterator[Aim]:
    for era in ("handshake", "2026"):
        yield Aim(f"stdio {era} get, 1 in flight, median µs", "≤", 0.45, FROM_OPENAPI)
        yield Aim(f"stdio {era} get, 32 in flight, calls/s", "≥", 2.5, FROM_OPENAPI)
        yield Aim(f"stdio {era} get, 32 in flight, calls/s", "≥", 1.0, TYPESCRIPT)
        yield Aim(f"stdio {era} create / get, 32 in flight", "≥", 0.5)
        yield Aim(f"http {era} create / get, 32 in flight", "≥", 0.5)
        yield Aim(f"calls of the service, unasked update, {era}", "≤", 2)
        yield Aim(f"calls of the service, confirmed update, {era}", "≤", 3)
    yield Aim("http 2026 get, 32 in flight, calls/s", "≥", 6.0, FROM_OPENAPI)
    yield Aim("http 2026 get, 32 in flight, calls/s", "≥", 1.5, TYPESCRIPT)
    yield Aim("http handshake get, 32 in flight, calls/s", "≥", 2.5, FROM_OPENAPI)
    yield Aim("http handshake get, 32 in flight, calls/s", "≥", 1.3, TYPESCRIPT)
    yield Aim("cold start to tools/list, ms", "≤", 0.45, FROM_OPENAPI)
    for in_flight, milliseconds in ((128, 250), (512, 1000)):
        yield Aim(f"slow service, client get, {in_flight} in flight, p99 ms", "≤", milliseconds)
    for name in ("client get, 128", "client get, 512", "stdio get, 128", "sse get, 512"):
        yield Aim(f"slow service, {name} in flight, calls lost", "≤", 0)


AIMS = tuple(_aims())


def medians(rounds: Rounds) -> Figures:
    """The median of each figure, and how writes compare with reads."""
    figures = {
        name: {peer: median(values) for peer, values in row.items()} for name, row in rounds.items()
    }
    for name, creates in list(figures.items()):
        gets = figures.get(name.replace(" create,", " get,"), {})
        if " create," in name and name.endswith("calls/s"):
            compared = name.replace(" create,", " create / get,").removesuffix(", calls/s")
            figures[compared] = {
                peer: creates[peer] / gets[peer] for peer in creates if gets.get(peer)
            }
    return figures


def tables(figures: Figures, peers: Sequence[str]) -> str:
    """The figures, and then the ratios with the aims."""
    return f"{table(_figure_rows(figures, peers))}\n\n{table(_ratio_rows(figures, peers))}"


def _figure_rows(figures: Figures, peers: Sequence[str]) -> Iterator[Row]:
    yield ("medians", *peers)
    for name, values in figures.items():
        yield (name, *(_cell(values.get(peer)) for peer in peers))


def _ratio_rows(figures: Figures, peers: Sequence[str]) -> Iterator[Row]:
    others = [peer for peer in peers if peer != THIS]
    yield ("this server's / the peer's", *others, "aims")
    for name, values in figures.items():
        ratios = [_ratio(values, peer) for peer in others]
        aims = [
            f"{aim} {'met' if aim.met(figures) else 'not met'}"
            for aim in AIMS
            if aim.figure == name and aim.met(figures) is not None
        ]
        if any(ratios) or aims:
            yield (name, *map(_cell, ratios), "; ".join(aims))


def _ratio(values: Mapping[str, float], peer: str) -> float | None:
    if THIS in values and values.get(peer):
        return values[THIS] / values[peer]
    return None


def _cell(value: float | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - a dash
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
