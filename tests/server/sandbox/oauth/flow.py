"""An OAuth client of the sandbox, which asks, lets a person consent, and gets tokens."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

REDIRECT = "https://app.example/callback"
LOOPBACK = "http://127.0.0.1/callback"
VERIFIER = "a-code-verifier-of-at-least-forty-three-characters"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
ORIGIN = "http://sandbox"


def answer_of(response: httpx2.Response) -> dict[str, str]:
    """The parameters of a redirect to the app."""
    assert response.status_code == 303, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query)
    return {name: value for name, (value,) in query.items()}


def consent_id(page: httpx2.Response) -> str:
    assert page.status_code == 200, page.text
    found = re.search(r'name="consent" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


@dataclass
class OAuthClient:
    """A registered app, with the means to reach the sandbox."""

    http: httpx2.AsyncClient
    client_id: str
    secret: str | None = None
    redirect_uri: str = REDIRECT
    origin: str = ORIGIN

    async def ask(self, **changed: str | list[str] | None) -> httpx2.Response:
        """Send the authorization request; a changed parameter that is None is left out."""
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "the-state",
            **changed,
        }
        sent = {name: value for name, value in parameters.items() if value is not None}
        return await self.http.get(f"{self.origin}/oauth/authorize", params=sent)

    async def decide(self, page: httpx2.Response, **form: str) -> httpx2.Response:
        """Answer the consent page."""
        fields = {"consent": consent_id(page), "decision": "allow", **form}
        return await self.http.post(f"{self.origin}/oauth/authorize", data=fields)

    async def code(self, *, subject: str = "", **changed: str | list[str]) -> str:
        """Ask, and let a person consent."""
        page = await self.ask(**changed)
        return answer_of(await self.decide(page, subject=subject))["code"]

    async def post(self, endpoint: str, **form: str | list[str]) -> httpx2.Response:
        """Call an endpoint with the credentials of the app in the form."""
        credentials = {"client_id": self.client_id}
        if self.secret is not None:
            credentials["client_secret"] = self.secret
        return await self.http.post(
            f"{self.origin}/v1/oauth2/{endpoint}", data={**credentials, **form}
        )

    async def redeem(self, code: str, **changed: str | list[str]) -> httpx2.Response:
        form: dict[str, str | list[str]] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
            **changed,
        }
        return await self.post("token", **form)

    async def refresh(self, token: str, **changed: str | list[str]) -> httpx2.Response:
        return await self.post("token", grant_type="refresh_token", refresh_token=token, **changed)

    async def tokens(
        self, scope: str = "openid", *, subject: str = "", **changed: str | list[str]
    ) -> dict[str, Any]:
        """Go through the whole flow."""
        response = await self.redeem(await self.code(subject=subject, scope=scope, **changed))
        assert response.status_code == 200, response.text
        received: dict[str, Any] = response.json()
        return received

    async def introspect(self, token: str) -> dict[str, Any]:
        response = await self.post("introspect", token=token)
        assert response.status_code == 200, response.text
        received: dict[str, Any] = response.json()
        return received

    async def is_active(self, token: str) -> bool:
        return bool((await self.introspect(token))["active"])
