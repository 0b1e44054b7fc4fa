"""An issuer of others: a certified OpenID provider, with clients that get tokens from it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from .nodes import Program

SECRET = "secret"
SERVER = "server"
"""The client that this server is at the issuer."""


@dataclass(frozen=True)
class ForeignIssuer:
    """The issuer, as those see it who run it, and as its clients do."""

    url: str
    running: Program

    def do(self, what: Literal["rotate", "replace", "fail", "recover"]) -> None:
        """Let those who run it change something; node/issuer.mjs says what."""
        self.running.ask({"do": what})

    async def post(self, http: httpx2.AsyncClient, path: str, client: str, **form: str) -> bytes:
        response = await http.post(self.url + path, auth=(client, SECRET), data=form)
        assert response.status_code == 200, response.text
        return response.content

    async def token(self, http: httpx2.AsyncClient, client: str, resource: str) -> str:
        """A new access token of a client for a resource."""
        form = {"grant_type": "client_credentials", "scope": "apps:read", "resource": resource}
        found = await self.post(http, "/token", client, **form)
        return str(httpx2.Response(200, content=found).json()["access_token"])

    async def revoke(self, http: httpx2.AsyncClient, client: str, token: str) -> None:
        await self.post(http, "/token/revocation", client, token=token)


@dataclass
class NewestToken(httpx2.Auth):
    """Sends a new token of a client with each request."""

    issuer: ForeignIssuer
    http: httpx2.AsyncClient
    client: str

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        resource = str(request.url)
        token = await self.issuer.token(self.http, self.client, resource)
        request.headers["authorization"] = f"Bearer {token}"
        yield request


@asynccontextmanager
async def connected(
    url: str, issuer: ForeignIssuer, http: httpx2.AsyncClient, client: str
) -> AsyncIterator[Client]:
    """An official MCP client of the server, with new tokens all the time."""
    auth = NewestToken(issuer, http, client)
    async with (
        httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as authorized,
        Client(streamable_http_client(url, http_client=authorized)) as connected,
    ):
        yield connected
