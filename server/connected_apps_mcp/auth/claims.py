"""Checks the claims of a token that its issuer vouches for, and names the caller.

An ID token says who logged in, to a client; it permits nothing here. What tells access tokens from
others, by what issuers are known to send:

- RFC 9068 and Auth0's profile of it: the header `typ` is `at+jwt`.
- Stytch: `client_id` and `scope`. Its session JWTs have neither.
- Auth0, Entra: `azp` and `scope` or `scp`.
- Keycloak: a claim `typ`: `Bearer`, or `ID`, `Refresh` and others. Cognito: `token_use`.
- ID tokens: `nonce`, `at_hash`, `c_hash` or `s_hash`. Logout tokens: `events`.
"""

from collections.abc import Iterable

from connected_apps_mcp.callers import Caller, CallerToken
from connected_apps_tools.scopes import Scope

from .config import AuthConfig, TrustedIssuer
from .json_objects import JsonObject
from .places import canonical
from .refusals import Reason, TokenRefused

LEEWAY_SECONDS = 30
"""How far the clock of an issuer may be ahead. A token never counts after its end."""

MAX_NAME = 256
_MAX_TIME = 253_402_300_800
"""The end of the year 9999."""

_KINDS = {"typ": "bearer", "token_use": "access"}
_NOT_OF_ACCESS_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
_OF_ACCESS_TOKENS = frozenset({"client_id", "azp", "scope", "scp"})


def caller_token(
    claims: JsonObject, issuer: TrustedIssuer, config: AuthConfig, now: float
) -> CallerToken:
    """The caller that claims name. The text of the token is not kept.

    Raises:
        TokenRefused: a claim is missing, wrong or malformed.
    """
    _check_kind(claims)
    _check_times(claims, now)
    scopes = _scopes(claims, config)
    client_id = _name(claims, "client_id") or _name(claims, "azp")
    subject = _name(claims, "sub")
    resource = _resource(_texts(claims, "aud"), scopes, config)
    if client_id is None and subject is None:
        raise TokenRefused(Reason.NO_HOLDER)
    if config.client_ids is not None and client_id not in config.client_ids:
        raise TokenRefused(Reason.CLIENT_NOT_ALLOWED)
    caller = Caller(
        issuer=issuer.url,
        subject=subject,
        client_id=client_id,
        token_id=_name(claims, "jti"),
        scopes=scopes,
        claims=claims | {"groups": _texts(claims, config.groups_claim)},
    )
    return CallerToken(
        token="",
        client_id=client_id or "",
        scopes=sorted(scopes),
        expires_at=int(claims["exp"]),
        resource=resource,
        subject=subject,
        claims=claims | {"iss": issuer.url},
        caller=caller,
    )


def _check_times(claims: JsonObject, now: float) -> None:
    end = _time(claims, "exp")
    if end is None:
        raise TokenRefused(Reason.MALFORMED)
    if end <= now:
        raise TokenRefused(Reason.EXPIRED)
    for claim in ("nbf", "iat"):
        if (_time(claims, claim) or 0) > now + LEEWAY_SECONDS:
            raise TokenRefused(Reason.NOT_YET_VALID)


def _time(claims: JsonObject, claim: str) -> float | None:
    value = claims.get(claim)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(Reason.MALFORMED)
    if not 0 <= value < _MAX_TIME:
        raise TokenRefused(Reason.MALFORMED)
    return value


def _check_kind(claims: JsonObject) -> None:
    if "cnf" in claims:
        raise TokenRefused(Reason.SENDER_CONSTRAINED)
    wrong = any(str(claims.get(name, kind)).lower() != kind for name, kind in _KINDS.items())
    if wrong or claims.keys() & _NOT_OF_ACCESS_TOKENS or not claims.keys() & _OF_ACCESS_TOKENS:
        raise TokenRefused(Reason.NOT_AN_ACCESS_TOKEN)


def _name(claims: JsonObject, claim: str) -> str | None:
    value = claims.get(claim)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise TokenRefused(Reason.MALFORMED)
    return value


def _texts(claims: JsonObject, claim: str) -> list[str]:
    value = claims.get(claim, [])
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TokenRefused(Reason.MALFORMED)
    return found


def _scopes(claims: JsonObject, config: AuthConfig) -> frozenset[Scope]:
    texts = _texts(claims, "scope" if "scope" in claims else "scp")
    given = {name for text in texts for name in text.split(" ")}
    return frozenset(scope for scope, name in config.scope_names.items() if name in given)


def _resource(audiences: Iterable[str], scopes: frozenset[Scope], config: AuthConfig) -> str:
    """The URL of this server that the token is for."""
    meant = {canonical(audience) for audience in audiences}
    for resource in config.resources:
        if canonical(resource) in meant:
            return resource
    project, required = config.accepted_project_id, config.required_scope
    if project and project in audiences and (required is None or required in scopes):
        return config.resources[0]
    raise TokenRefused(Reason.WRONG_AUDIENCE)
