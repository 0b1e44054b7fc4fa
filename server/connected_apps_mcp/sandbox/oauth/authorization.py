"""The authorization endpoint: a request, a person's consent, a code (RFC 6749, RFC 7636)."""

from __future__ import annotations

import re
import secrets
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import ConnectedApp
from connected_apps_mcp.sandbox.state.directory import Directory
from connected_apps_mcp.sandbox.state.project import SandboxProject
from connected_apps_mcp.sandbox.state.tokens import Token, Tokens

from .consent_page import consent_page, error_page
from .parameters import Parameters, invalid_request, read_form, read_query
from .people import people
from .registration import Registrations

CODE_SECONDS = 60
CONSENT_SECONDS = 600.0
MAX_PENDING = 1000
"""Most requests that wait for a person; a further one replaces the oldest."""

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(?=[/?]|$)")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request of an app that it may make.

    Attributes:
        app_id: the id of the app.
        client_id: how the app calls itself: its id, or the URL of its metadata document.
    """

    app_id: str
    client_id: str
    redirect_uri: str
    state: str
    issuer: str
    scopes: Sequence[str] = ()
    resources: Sequence[str] = ()
    challenge: str = ""
    nonce: str = ""

    def answer(self, **parameters: str) -> Response:
        """Return the redirect to the app."""
        parameters |= {"iss": self.issuer} | ({"state": self.state} if self.state else {})
        joint = "&" if "?" in self.redirect_uri else "?"
        url = self.redirect_uri + joint + urlencode(parameters)
        # 303, so that a browser does not post the form to the app (RFC 9700).
        return RedirectResponse(url, 303, headers={"cache-control": "no-store"})

    def refuse(self, error: ApiError) -> Response:
        """Return the redirect with an error."""
        return self.answer(error=error.error_type.name.lower(), error_description=error.message)


class AuthorizationEndpoint:
    """Shows the consent page, and takes the answer."""

    def __init__(
        self, project: SandboxProject, registrations: Registrations, scopes: Sequence[str]
    ) -> None:
        self._project = project
        self._registrations = registrations
        self._scopes = scopes
        self._pending: dict[str, tuple[float, AuthorizationRequest]] = {}

    async def ask(self, request: Request, issuer: str) -> Response:
        """Show the consent page, or tell the app or the person why not."""
        try:
            parameters = read_query(request)
            app, identified = await self._identify(parameters, issuer)
        except ApiError as refused:
            return error_page(refused.message, 400)
        try:
            accepted = self._accept(parameters, identified)
        except ApiError as refused:
            return identified.refuse(refused)
        subjects = await run_in_threadpool(people, self._project)
        return consent_page(
            consent=self._remember(accepted),
            app=app,
            redirect_uri=accepted.redirect_uri,
            scopes=accepted.scopes,
            resources=accepted.resources,
            subjects=subjects,
        )

    async def decide(self, request: Request) -> Response:
        """Take a person's answer, once."""
        try:
            form = await read_form(request)
            began, asked = self._pending.pop(form.get("consent"), (0.0, None))
            if asked is None or time.monotonic() - began > CONSENT_SECONDS:
                return error_page("This page has expired, or was answered already.", 400)
            if form.get("decision") != "allow":
                return asked.refuse(ApiError(ErrorType.ACCESS_DENIED))
            code = await run_in_threadpool(self._grant, asked, form.get("subject"))
        except ApiError as refused:
            return error_page(refused.message, 400)
        return asked.answer(code=code)

    async def _identify(
        self, parameters: Parameters, issuer: str
    ) -> tuple[ConnectedApp, AuthorizationRequest]:
        """Find the app and its redirect URI. Until then, errors must not be redirected."""
        client_id = parameters.require("client_id")
        if "://" in client_id:
            app = await self._registrations.fetch(client_id)
        else:
            app = (await run_in_threadpool(self._project.apps.get, client_id)).app
        redirect_uri = parameters.require("redirect_uri")
        if _without_port(redirect_uri) not in map(_without_port, app.redirect_urls):
            raise invalid_request("The app has not registered this redirect URI.")
        return app, AuthorizationRequest(
            app.client_id, client_id, redirect_uri, parameters.get("state"), issuer
        )

    def _accept(
        self, parameters: Parameters, identified: AuthorizationRequest
    ) -> AuthorizationRequest:
        if parameters.require("response_type") != "code":
            raise ApiError(ErrorType.UNSUPPORTED_RESPONSE_TYPE)
        if parameters.get("response_mode") not in {"", "query"}:
            raise invalid_request("response_mode must be query.")
        if parameters.get("code_challenge_method") != "S256":
            raise invalid_request("code_challenge_method must be S256.")
        if not _CHALLENGE.fullmatch(parameters.get("code_challenge")):
            raise invalid_request("code_challenge must be a SHA-256 digest in base64url.")
        if "none" in parameters.get("prompt").split():
            raise ApiError(ErrorType.CONSENT_REQUIRED)
        # UNKNOWN-choice: an app that asks for nothing gets openid.
        scopes = list(dict.fromkeys(parameters.get("scope").split())) or ["openid"]
        if not set(scopes) <= set(self._scopes):
            raise ApiError(ErrorType.INVALID_SCOPE)
        return replace(
            identified,
            scopes=scopes,
            resources=parameters.resources(),
            challenge=parameters.get("code_challenge"),
            nonce=parameters.get("nonce"),
        )

    def _remember(self, asked: AuthorizationRequest) -> str:
        """Return a one-time id, which a foreign page cannot guess."""
        if len(self._pending) >= MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        consent = secrets.token_urlsafe(32)
        self._pending[consent] = time.monotonic(), asked
        return consent

    def _grant(self, asked: AuthorizationRequest, subject_id: str) -> str:
        """Record the grant, and return a code."""
        subject_id = subject_id or people(self._project)[0].subject_id
        code = secrets.token_urlsafe(33)
        project_id = self._project.credentials.project_id
        try:
            with self._project.database.transaction() as connection:
                directory = Directory(connection, project_id)
                subject = directory.subject(subject_id)
                if subject is None:
                    raise invalid_request("There is no such user or member.")
                directory.grant(subject_id, asked.app_id, " ".join(asked.scopes))
                Tokens(connection, project_id).add(code, _code(asked, subject_id))
        except sqlite3.IntegrityError:
            raise invalid_request("The app no longer exists.") from None
        return code


def _code(asked: AuthorizationRequest, subject_id: str) -> Token:
    return Token(
        kind="code",
        family=secrets.token_urlsafe(16),
        subject_id=subject_id,
        client_id=asked.app_id,
        expires_at=int(time.time()) + CODE_SECONDS,
        content={
            "scope": " ".join(asked.scopes),
            "resources": list(asked.resources),
            "client": asked.client_id,
            "redirect_uri": asked.redirect_uri,
            "challenge": asked.challenge,
            "nonce": asked.nonce,
        },
    )


def _without_port(url: str) -> str:
    """Remove the port of a loopback URL: an app listens on any (RFC 8252, section 7.3)."""
    local = _LOOPBACK.match(url)
    return f"http://{local[1]}{url[local.end() :]}" if local else url
