"""The responses of the issuer's endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from connected_apps_mcp.sandbox.models import Reply, optional


class TokenReply(Reply):
    """Tokens (RFC 6749, section 5.1). The fields are KNOWN."""

    access_token: str = Field(repr=False)
    token_type: str = "bearer"  # noqa: S105 - KNOWN, in lower case
    expires_in: int
    scope: str
    refresh_token: str | None = optional(secret=True)
    id_token: str | None = optional(secret=True)


class UserinfoReply(Reply):
    """Claims about a person (OIDC Core, section 5.3)."""

    sub: str
    name: str | None = optional()
    email: str | None = optional()
    email_verified: bool | None = optional()


class RegistrationReply(Reply):
    """A registered app. The fields are KNOWN, except for the last two."""

    client_id: str
    client_name: str
    redirect_uris: list[str]
    grant_types: Sequence[str] = ("authorization_code", "refresh_token")
    response_types: Sequence[str] = ("code",)
    token_endpoint_auth_method: str
    client_secret: str | None = optional(secret=True)
    client_secret_expires_at: int | None = optional()
