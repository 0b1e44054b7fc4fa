"""Who calls the server: the user of this process, or the holder of an access token over HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from typing import Any, Self

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken

from connected_apps_tools.safety.caller_rules import CallerFacts
from connected_apps_tools.scopes import Scope
from connected_apps_tools.storage.system import user_name


@dataclass(frozen=True)
class Caller:
    """A caller: a user of this machine, or a subject through an OAuth client.

    Attributes:
        user: the user of this process, over stdio and over HTTP without authentication.
        issuer: who issued the token.
        subject: the user or the service that the token stands for.
        client_id: the OAuth client that holds the token.
        token_id: the token's `jti`.
        scopes: what the token permits; None without authentication, where nothing is limited.
        reachable: the most scopes that the caller could have with another token.
        claims: the claims of the token, for the rules of the policy.
    """

    user: str | None = None
    issuer: str | None = None
    subject: str | None = None
    client_id: str | None = None
    token_id: str | None = None
    scopes: frozenset[Scope] | None = None
    reachable: frozenset[Scope] = frozenset(Scope)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, compare=False)

    @classmethod
    def of_process(cls) -> Self:
        """The user of this process."""
        return cls(user=user_name())

    @cached_property
    def identity(self) -> str:
        """What tells this caller from every other one, whichever token it holds. Not for people."""
        parts = [self.user, self.issuer, self.subject, self.client_id]
        return sha256(json.dumps(parts).encode()).hexdigest()

    def named(self) -> dict[str, str]:
        """The parts of the caller's name."""
        names = ("user", "issuer", "subject", "client_id")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def recorded(self) -> dict[str, str]:
        """The caller as the audit log names it: with the token."""
        return self.named() | ({"jti": self.token_id} if self.token_id else {})

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.recorded().items())

    @property
    def facts(self) -> CallerFacts:
        """What the rules of the policy look at."""
        email = self.claims.get("email") if self.claims.get("email_verified") is True else None
        groups = self.claims.get("groups", ())
        return CallerFacts(
            self.issuer,
            self.subject,
            self.client_id,
            frozenset(groups),
            email.rpartition("@")[2] if isinstance(email, str) and "@" in email else None,
        )

    def lacks(self, needed: frozenset[Scope]) -> frozenset[Scope]:
        """The scopes that the caller needs and does not have."""
        return frozenset() if self.scopes is None else needed - self.scopes


class CallerToken(AccessToken):
    """An access token that was verified, with its caller."""

    caller: Caller


_of_process = cache(Caller.of_process)


def token_caller() -> Caller | None:
    """The holder of the token of this request; None without one."""
    token = get_access_token()
    return token.caller if isinstance(token, CallerToken) else None


def current_caller() -> Caller:
    """The caller of this request: the holder of its token, else the user of this process."""
    return token_caller() or _of_process()
