"""The one deadline that all the requests of a tool call share."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class _Deadline:
    ends_at: float
    """On the monotonic clock."""


_DEADLINE: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Give what is done inside so many seconds for all its requests together."""
    token = _DEADLINE.set(_Deadline(time.monotonic() + seconds))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@contextmanager
def paused() -> Iterator[None]:
    """Let the clock stand still, as while a person is asked."""
    shared, began = _DEADLINE.get(), time.monotonic()
    try:
        yield
    finally:
        if shared:
            shared.ends_at += time.monotonic() - began


@contextmanager
def without_deadline() -> Iterator[None]:
    """Give each request inside its own time, whatever the call has left.

    It is for what saves a secret that the service has shown, or finds out what became of it.
    """
    token = _DEADLINE.set(None)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """Seconds until the deadline, 0 where it is over, infinite where there is none."""
    shared = _DEADLINE.get()
    return max(0.0, shared.ends_at - time.monotonic()) if shared else math.inf
