"""Verifies access tokens: who issued them, for whom, and for this server."""

from .config import AuthConfig, IntrospectionCredentials, TrustedIssuer, stytch_issuer
from .refusals import Reason, TokenRefused
from .verifier import Verifier

__all__ = [
    "AuthConfig",
    "IntrospectionCredentials",
    "Reason",
    "TokenRefused",
    "TrustedIssuer",
    "Verifier",
    "stytch_issuer",
]
