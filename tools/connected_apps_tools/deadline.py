"""The deadline that all requests of a tool call share."""

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
    """Give all requests inside together this time (seconds)."""
    token = _DEADLINE.set(_Deadline(time.monotonic() + seconds))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@contextmanager
def paused() -> Iterator[None]:
    """Stop the clock, for example while a person is asked."""
    shared, began = _DEADLINE.get(), time.monotonic()
    try:
        yield
    finally:
        if shared:
            shared.ends_at += time.monotonic() - began


@contextmanager
def without_deadline() -> Iterator[None]:
    """Ignore the deadline inside: each request has its own timeout.

    It is for storing a secret that the service has shown, or finding out what happened to it.
    """
    token = _DEADLINE.set(None)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """Seconds until the deadline: 0 after it, infinite without one."""
    shared = _DEADLINE.get()
    return max(0.0, shared.ends_at - time.monotonic()) if shared else math.inf
