"""What a call needs a permission for, in the words of OAuth scopes."""

from enum import StrEnum


class Scope(StrEnum):
    """A permission for one kind of effect."""

    APPS_READ = "apps:read"
    APPS_WRITE = "apps:write"
    APPS_DELETE = "apps:delete"
    SECRETS_ROTATE = "secrets:rotate"
    SECRETS_REVEAL = "secrets:reveal"
    GRANTS_READ = "grants:read"
    GRANTS_REVOKE = "grants:revoke"


HARMFUL = frozenset(
    {Scope.APPS_DELETE, Scope.SECRETS_ROTATE, Scope.SECRETS_REVEAL, Scope.GRANTS_REVOKE}
)
"""Scopes that end something or show a secret. Clients get them by a step-up alone."""
