"""A person who logs in at the sandbox's consent page and says yes to whatever is asked."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types import ElicitRequestParams, ElicitResult
from pydantic import AnyUrl

from .steps import StepFailed, check

REDIRECT = "http://127.0.0.1:8765/callback"
"""Where the issuer sends the person back to. Nothing listens there: the person reads the URL."""

TIMEOUT_SECONDS = 30


class Memory:
    """What a client remembers of its logins."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens of the last login."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Remember the tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """The client as the issuer registered it."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Remember the registration."""
        self.client = client_info


class Person:
    """Consents to whatever a client asks for, and confirms every question.

    Attributes:
        subject: as whom; None for the first one of the project.
        client_name: the name of the person's client. Each name is another client.
        memory: what the person's client remembers.
        asked: the scopes of each consent.
        questions: the questions that the person confirmed.
    """

    def __init__(self, subject: str | None = None, client_name: str = "Demo") -> None:
        self.subject = subject
        self.client_name = client_name
        self.memory = Memory()
        self.asked: list[set[str]] = []
        self.questions: list[str] = []
        self._answer = ""

    async def open_browser(self, url: str) -> None:
        """Read the consent page and post "allow"."""
        self.asked.append(set(parse_qs(urlsplit(url).query)["scope"][0].split()))
        async with http_client() as browser:
            page = (await browser.get(url)).text
            decided = await browser.post(url.partition("?")[0], data=self._form(page))
        check("the issuer sends the person back", passed="location" in decided.headers)
        self._answer = decided.headers["location"]

    def _form(self, page: str) -> dict[str, str]:
        consent = re.search('name="consent" value="([^"]+)"', page)
        if not consent:
            raise StepFailed("The issuer asks for no consent.")
        form = {"consent": consent[1], "decision": "allow"}
        return form | ({"subject": self.subject} if self.subject else {})

    async def come_back(self) -> AuthorizationCodeResult:
        """The answer of the issuer, which the person brings to the client."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(self._answer).query).items()}
        check("the issuer gives a code", passed="code" in query)
        return AuthorizationCodeResult(
            code=query["code"], state=query.get("state"), iss=query.get("iss")
        )

    async def confirm(
        self, _context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult:
        """Say yes to a question of the server."""
        self.questions.append(params.message)
        return ElicitResult(action="accept", content={"confirm": True})

    def credentials(self, url: str) -> OAuthClientProvider:
        """What the official client logs in with."""
        metadata = OAuthClientMetadata(
            client_name=self.client_name, redirect_uris=[AnyUrl(REDIRECT)]
        )
        return OAuthClientProvider(url, metadata, self.memory, self.open_browser, self.come_back)

    @asynccontextmanager
    async def client(self, url: str, **options: Any) -> AsyncIterator[Client]:  # noqa: ANN401 - the SDK's
        """An official client of the server, which logs in when it has to."""
        async with (
            http_client(auth=self.credentials(url)) as http,
            Client(streamable_http_client(url, http_client=http), **options) as client,
        ):
            yield client


def http_client(auth: OAuthClientProvider | None = None) -> httpx2.AsyncClient:
    """A client of HTTP on this machine, without proxies."""
    return httpx2.AsyncClient(auth=auth, trust_env=False, timeout=TIMEOUT_SECONDS)
