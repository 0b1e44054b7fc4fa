"""The token endpoint: a code or a refresh token for tokens (RFC 6749, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.handlers.clients import authenticated_app
from connected_apps_mcp.sandbox.models import ConnectedApp, is_public
from connected_apps_mcp.sandbox.state.directory import Directory, Subject
from connected_apps_mcp.sandbox.state.project import SandboxProject
from connected_apps_mcp.sandbox.state.tokens import Token, TokenKind, Tokens

from .keys import SigningKeys
from .parameters import Parameters
from .people import claims_about
from .replies import TokenReply

ID_TOKEN_SECONDS = 3600
"""KNOWN."""

REFRESH_SECONDS = 90 * 24 * 3600
"""KNOWN: three months; their days are our choice."""

ORGANIZATION_CLAIM = "https://stytch.com/organization"


class TokenEndpoint:
    """Issues tokens to apps."""

    def __init__(self, project: SandboxProject, keys: SigningKeys) -> None:
        self._project = project
        self._keys = keys

    def issue(self, form: Parameters, issuer: str) -> TokenReply:
        """Answer a request for tokens.

        Raises:
            ApiError: the request is refused.
        """
        grants = {"authorization_code": self._redeem, "refresh_token": self._refresh}
        grant = grants.get(form.require("grant_type"))
        if grant is None:
            raise ApiError(ErrorType.UNSUPPORTED_GRANT_TYPE)
        app = authenticated_app(self._project, form.get("client_id"), form.get("client_secret")).app
        self._keys.prepare()
        with self._project.database.transaction() as connection:
            project_id = self._project.credentials.project_id
            issuance = _Issuance(
                project_id,
                self._keys,
                issuer,
                app,
                Tokens(connection, project_id),
                Directory(connection, project_id),
            )
            reply = grant(form, issuance)
        # Outside of the transaction, which must not be rolled back: it may have revoked tokens.
        if reply is None:
            raise ApiError(ErrorType.INVALID_GRANT)
        return reply

    def _redeem(self, form: Parameters, issuance: _Issuance) -> TokenReply | None:
        code = form.require("code")
        token = issuance.find("code", code)
        if token is None:
            return None
        content = token.content
        if content["redirect_uri"] != form.get("redirect_uri"):
            return None
        if not _proves(form.get("code_verifier"), content["challenge"]):
            return None
        issuance.tokens.spend(code)
        resources = _chosen(form.resources(), content["resources"])
        return issuance.reply(token, content["scope"].split(), resources, new_refresh_token=True)

    def _refresh(self, form: Parameters, issuance: _Issuance) -> TokenReply | None:
        value = form.require("refresh_token")
        token = issuance.find("refresh", value)
        if token is None:
            return None
        granted = token.content["scope"].split()
        scopes = form.get("scope").split() or granted
        if not set(scopes) <= set(granted):
            raise ApiError(ErrorType.INVALID_SCOPE)
        # KNOWN: a public app gets a new refresh token, a confidential one keeps its own.
        rotates = is_public(issuance.app.client_type)
        if rotates:
            issuance.tokens.spend(value)
        else:
            issuance.tokens.extend(value, int(time.time()) + REFRESH_SECONDS)
        resources = _chosen(form.resources(), token.content["resources"])
        return issuance.reply(token, scopes, resources, new_refresh_token=rotates)


class _Issuance:
    """One issuance of tokens to an app, within a transaction."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of it
        self,
        project_id: str,
        keys: SigningKeys,
        issuer: str,
        app: ConnectedApp,
        tokens: Tokens,
        directory: Directory,
    ) -> None:
        self._project_id = project_id
        self._keys = keys
        self._issuer = issuer
        self.app = app
        self.tokens = tokens
        self._directory = directory
        self._now = int(time.time())

    def find(self, kind: TokenKind, value: str) -> Token | None:
        """Find a token of this app that was not used. A second use revokes what the first gave."""
        token = self.tokens.find(value)
        if token is None or token.kind != kind or token.client_id != self.app.client_id:
            return None
        if token.spent:
            self.tokens.revoke_family(token.family)
            return None
        return token

    def reply(
        self,
        token: Token,
        scopes: Sequence[str],
        resources: Sequence[str],
        *,
        new_refresh_token: bool,
    ) -> TokenReply:
        """Issue tokens on the strength of a code or refresh token."""
        subject = self._directory.subject(token.subject_id)
        if subject is None:
            raise ApiError(ErrorType.INVALID_GRANT)
        seconds = self.app.access_token_expiry_minutes * 60
        claims = self._access_claims(subject, scopes, resources, seconds)
        access = self._keys.sign(claims)
        self._add(access, token, "access", seconds, claims)
        refresh = None
        if new_refresh_token and "offline_access" in token.content["scope"].split():
            # KNOWN: refresh tokens are opaque.
            refresh = secrets.token_urlsafe(33)
            content = {name: token.content[name] for name in ("scope", "resources", "client")}
            self._add(refresh, token, "refresh", REFRESH_SECONDS, content)
        return TokenReply(
            access_token=access,
            expires_in=seconds,
            scope=" ".join(scopes),
            refresh_token=refresh,
            id_token=self._id_token(token, subject, scopes) if "openid" in scopes else None,
        )

    def _add(
        self,
        value: str,
        source: Token,
        kind: TokenKind,
        seconds: int,
        content: dict[str, Any],
    ) -> None:
        expires = self._now + seconds
        self.tokens.add(value, replace(source, kind=kind, expires_at=expires, content=content))

    def _access_claims(
        self, subject: Subject, scopes: Sequence[str], resources: Sequence[str], seconds: int
    ) -> dict[str, Any]:
        custom = self.app.access_token_custom_audience
        audience = [self._project_id, *([custom] if custom else []), *resources]
        claims = {
            "iss": self._issuer,
            "sub": subject.subject_id,
            "aud": list(dict.fromkeys(audience)),
            "client_id": self.app.client_id,
            "scope": " ".join(scopes),
            **self._times(seconds),
            "jti": secrets.token_urlsafe(33),
        }
        if subject.organization_id:
            claims[ORGANIZATION_CLAIM] = {"organization_id": subject.organization_id}
        return claims

    def _id_token(self, token: Token, subject: Subject, scopes: Sequence[str]) -> str:
        claims = {
            "iss": self._issuer,
            "aud": [token.content["client"]],
            **claims_about(subject, scopes),
            **self._times(ID_TOKEN_SECONDS),
        }
        if token.content.get("nonce"):
            claims["nonce"] = token.content["nonce"]
        return self._keys.sign(claims)

    def _times(self, seconds: int) -> dict[str, int]:
        return {"exp": self._now + seconds, "nbf": self._now, "iat": self._now}


def _proves(verifier: str, challenge: str) -> bool:
    digest = hashlib.sha256(verifier.encode()).digest()
    computed = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(computed, challenge.encode())


def _chosen(requested: Sequence[str], authorized: Sequence[str]) -> Sequence[str]:
    """Return the resources of this token: all that were authorized, or fewer."""
    if not set(requested) <= set(authorized):
        raise ApiError(ErrorType.INVALID_TARGET)
    return requested or authorized
