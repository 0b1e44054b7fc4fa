"""What happens inside a call, for an observer: telemetry, if the operator has set it up.

An act has a duration and may fail, an event only happens, a level is a number that stays until the
next one. Facts have no secret, and no text that strangers may have written.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Literal, Protocol

ActName = Literal[
    "service_request",
    "secret_store",
    "audit_append",
    "confirmation",
    "session",
    "database_connection",
]
EventName = Literal["question", "refusal", "secret", "audit_failure"]
LevelName = Literal["interrupted_calls"]

Fact = str | int | None
Facts = Mapping[str, Fact]


class Observed(Protocol):
    """An act that is under way."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that let the service continue the trace, if the operator wants that."""
        ...

    def note(self, **facts: Fact) -> None:
        """Add facts that are known only now."""


class Observer(Protocol):
    """Watches what happens."""

    def act(self, name: ActName, facts: Facts) -> AbstractContextManager[Observed]:
        """Observe an act while it is open."""
        ...

    def event(self, name: EventName, facts: Facts) -> None:
        """Observe that something happened."""

    def level(self, name: LevelName, value: int) -> None:
        """Observe a number."""


class _Unobserved:
    """An act without an observer."""

    headers: Mapping[str, str] = MappingProxyType({})

    def __enter__(self) -> Observed:
        return self

    def __exit__(self, *_: object) -> None:
        """End the act."""

    def note(self, **facts: Fact) -> None:
        """Note nothing."""


_UNOBSERVED = _Unobserved()
_observers: list[Observer] = []


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Let an observer watch what happens in this process meanwhile."""
    _observers.insert(0, observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def act(name: ActName, **facts: Fact) -> AbstractContextManager[Observed]:
    """An act, to open while it is under way."""
    return _observers[0].act(name, facts) if _observers else _UNOBSERVED


def event(name: EventName, **facts: Fact) -> None:
    """Say that something happened."""
    if _observers:
        _observers[0].event(name, facts)


def level(name: LevelName, value: int) -> None:
    """Say what a number is now."""
    if _observers:
        _observers[0].level(name, value)
