"""Why a token is refused, in fixed words for the log and the audit log."""

from enum import StrEnum


class Reason(StrEnum):
    """A reason to refuse a token. It never contains text of the token."""

    TOO_LONG = "too long"
    MALFORMED = "malformed"
    OPAQUE = "opaque"
    """No introspection is configured."""
    INACTIVE = "not active"
    """The issuer says so at introspection."""
    BAD_ALGORITHM = "algorithm not allowed"
    CRITICAL_HEADER = "critical header"
    UNKNOWN_ISSUER = "unknown issuer"
    ISSUER_UNAVAILABLE = "issuer unavailable"
    """The issuer gave no keys, or did not respond at introspection."""
    UNKNOWN_KEY = "unknown key"
    BAD_SIGNATURE = "bad signature"
    NOT_AN_ACCESS_TOKEN = "not an access token"  # noqa: S105
    SENDER_CONSTRAINED = "sender-constrained"
    """It counts only with a proof (DPoP, mutual TLS) that this server does not check."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    WRONG_AUDIENCE = "wrong audience"
    NO_HOLDER = "no subject and no client"
    CLIENT_NOT_ALLOWED = "client not allowed"


class TokenRefused(Exception):
    """A token does not count."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
