"""How much of each long series the tests run: a part in `make test`, all in `make test-all`."""

import os
from typing import NamedTuple

WHOLE = bool(os.environ.get("WHOLE_TESTS"))
"""Whether each series runs whole."""


class Size(NamedTuple):
    """How many of something there are in a part, and in the whole series."""

    part: int
    whole: int


SIZES = {
    "callers at once": Size(16, 64),
    "rounds of many callers": Size(1, 3),
    "sets of scopes": Size(12, 48),
    "random faults": Size(300, 3_000),
    "random sessions": Size(30, 80),
    "kills of a server": Size(10, 24),
    "kills of an apply": Size(4, 40),
    "kills of a writer of the audit log": Size(4, 12),
    "manipulated audit logs": Size(100, 400),
    "apps over each transport": Size(150, 500),
    "random requests to an operation": Size(5, 15),
    "random hostile URLs": Size(500, 1_500),
    "random URLs": Size(300, 1_000),
    "random secrets": Size(80, 200),
    "random lists of apps": Size(80, 200),
    "random names": Size(200, 400),
    "characters of a long hostile text": Size(10_000, 100_000),
    "invisible characters of one": Size(1_000, 100_000),
    "calls between rotations": Size(2, 20),
    "random queues of callers": Size(20, 80),
    "random configuration files": Size(60, 150),
    "clients to install in": Size(8, 14),
    "apps in a manifest": Size(100, 1_500),
    "random manifests": Size(100, 600),
    "manifests that go round": Size(15, 50),
    "random sequences of changes": Size(10, 40),
    "random calls of replicas": Size(150, 600),
}


def sized(what: str) -> int:
    """How many of something a test has to run."""
    size = SIZES[what]
    return size.whole if WHOLE else size.part


def parts() -> str:
    """What runs in part."""
    return ", ".join(f"{size.part:,} of {size.whole:,} {what}" for what, size in SIZES.items())
