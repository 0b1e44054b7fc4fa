"""What the issuer says about itself (RFC 8414 and OIDC discovery)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OPENID_SCOPES = ("openid", "profile", "email", "offline_access")

AUTHORIZE = "/oauth/authorize"
"""UNKNOWN-choice: at the service, the operator hosts this page."""

TOKEN = "/v1/oauth2/token"  # noqa: S105 - a path
INTROSPECT = "/v1/oauth2/introspect"
REVOKE = "/v1/oauth2/revoke"
USERINFO = "/v1/oauth2/userinfo"
REGISTER = "/v1/oauth2/register"
JWKS = "/.well-known/jwks.json"

_CLIENT_AUTHENTICATION = ["client_secret_basic", "client_secret_post", "none"]


def describe_issuer(url: str, scopes: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of the issuer with this URL, for both well-known paths."""
    return {
        "issuer": url,
        "authorization_endpoint": url + AUTHORIZE,
        "token_endpoint": url + TOKEN,
        "introspection_endpoint": url + INTROSPECT,
        "revocation_endpoint": url + REVOKE,
        "userinfo_endpoint": url + USERINFO,
        "registration_endpoint": url + REGISTER,
        "jwks_uri": url + JWKS,
        "scopes_supported": list(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
        "introspection_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
        "revocation_endpoint_auth_methods_supported": _CLIENT_AUTHENTICATION,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "name", "email", "email_verified"],
    }
