"""A person who logs in at the sandbox's consent page, for official MCP clients."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types import ElicitResult
from pydantic import AnyUrl

REDIRECT = "http://127.0.0.1:8765/callback"


class Memory:
    """What a client remembers of its logins."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Consents to whatever a client asks for.

    Attributes:
        asked: the scopes of each consent.
    """

    def __init__(self, subject: str | None = None) -> None:
        self.subject = subject
        self.memory = Memory()
        self.asked: list[set[str]] = []
        self._answer = ""

    async def open_browser(self, url: str) -> None:
        self.asked.append(set(parse_qs(urlsplit(url).query)["scope"][0].split()))
        async with httpx2.AsyncClient(trust_env=False) as browser:
            page = (await browser.get(url)).text
            consent = re.search('name="consent" value="([^"]+)"', page)
            subjects = re.findall('<option value="([^"]+)"', page)
            assert consent, page
            form = {
                "consent": consent[1],
                "subject": self.subject or subjects[0],
                "decision": "allow",
            }
            decided = await browser.post(url.partition("?")[0], data=form)
        self._answer = decided.headers["location"]

    async def come_back(self) -> AuthorizationCodeResult:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self._answer).query).items()}
        return AuthorizationCodeResult(
            code=query["code"], state=query.get("state"), iss=query.get("iss")
        )

    def credentials(self, url: str) -> OAuthClientProvider:
        """What the official client logs in with."""
        metadata = OAuthClientMetadata(client_name="Tests", redirect_uris=[AnyUrl(REDIRECT)])
        return OAuthClientProvider(url, metadata, self.memory, self.open_browser, self.come_back)

    @asynccontextmanager
    async def client(self, url: str, **options: Any) -> AsyncIterator[Client]:
        """An official client of the server, which logs in when it has to."""
        async with (
            httpx2.AsyncClient(auth=self.credentials(url), trust_env=False, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http), **options) as client,
        ):
            yield client


async def says_yes(_context: Any, _params: Any) -> ElicitResult:
    """A person who confirms."""
    return ElicitResult(action="accept", content={"confirm": True})
