"""The project credentials that a sandbox accepts."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal
from uuid import uuid4

ProjectKind = Literal["consumer", "b2b"]
"""Kind of project: with users (consumer), or with organizations and members (b2b)."""


class Environment(StrEnum):
    """The environment of a project; every id contains it."""

    TEST = "test"
    LIVE = "live"

    def new_id(self, kind: str) -> str:
        """Return a fresh id such as `request-id-test-<uuid4>` (KNOWN form)."""
        return f"{kind}-{self}-{uuid4()}"


@dataclass(frozen=True)
class SandboxCredentials:
    """A project id and its secret, sent as HTTP Basic user and password (KNOWN)."""

    project_id: str
    secret: str = field(repr=False)

    @property
    def environment(self) -> Environment:
        """Live for a `project-live-` id, test for any other (KNOWN)."""
        live = self.project_id.startswith("project-live-")
        return Environment.LIVE if live else Environment.TEST

    def has_secret(self, secret: str) -> bool:
        """Compare in constant time, so that timing reveals nothing about the secret."""
        return hmac.compare_digest(self.secret.encode(), secret.encode())


SANDBOX_CREDENTIALS = SandboxCredentials(
    "project-test-00000000-0000-0000-0000-000000000000",
    "secret-test-for-the-sandbox-only",
)


def parse_basic(header: str) -> tuple[str, str] | None:
    """Return user and password of an `Authorization` header, or None if it is not HTTP Basic."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
