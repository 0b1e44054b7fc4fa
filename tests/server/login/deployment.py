"""A server that lets callers in by tokens, on a loopback port, and the tokens of its callers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import uvicorn
from server.audit.logs import lines_of, log_in
from server.people import Wire
from server.sandbox.oauth.flow import LOOPBACK, OAuthClient
from support import offering, project_on

from connected_apps_mcp.auth.access import open_access
from connected_apps_mcp.protocol.access.authorization import Authorization
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.transports.http.app import PATHS, build_app
from connected_apps_mcp.transports.http.auth import Guard
from connected_apps_mcp.transports.http.listening import authority_of, bind
from connected_apps_mcp.transports.http.network import Network
from connected_apps_mcp.transports.http.protocol import BoundedProtocol
from connected_apps_tools import ToolContext
from connected_apps_tools.scopes import Scope

ADA, GRACE = "user-test-ada", "user-test-grace"
USERS = [{"user_id": ADA, "external_id": "ada"}, {"user_id": GRACE, "external_id": "grace"}]
ENDPOINTS = list(PATHS.values())
ALL = frozenset(Scope)


@dataclass
class Deployment:
    """A server and its issuer.

    Attributes:
        origin: the URL of both.
        http: a client without a token.
        wire: the sandbox that the tools work on.
        folder: the data folder, with the audit log.
        issued: all tokens that were issued.
    """

    origin: str
    http: httpx2.AsyncClient
    wire: Wire
    project: ToolContext
    folder: Path
    issued: list[str] = field(default_factory=list)
    _apps: dict[str, OAuthClient] = field(default_factory=dict)

    async def app(self, name: str) -> OAuthClient:
        """The OAuth client with this name."""
        if name not in self._apps:
            self._apps[name] = await registered(self.http, self.origin, name)
        return self._apps[name]

    async def token(
        self,
        scopes: frozenset[Scope] = ALL,
        *,
        app: str = "one",
        subject: str = ADA,
        resource: str | None = None,
    ) -> str:
        """A token of a subject through an app."""
        client = await self.app(app)
        token = await token_of(client, scopes, subject, resource or f"{self.origin}/mcp")
        self.issued.append(token)
        return token

    def recorded(self) -> list[dict[str, Any]]:
        """The calls and refusals in the audit log."""
        return [line for line in lines_of(self.folder / "audit") if "caller" in line]


async def registered(http: httpx2.AsyncClient, origin: str, name: str) -> OAuthClient:
    """An app that registers itself."""
    about = {"client_name": name, "redirect_uris": [LOOPBACK]}
    reply = await http.post(f"{origin}/v1/oauth2/register", json=about)
    return OAuthClient(http, reply.json()["client_id"], redirect_uri=LOOPBACK, origin=origin)


async def token_of(
    client: OAuthClient, scopes: frozenset[Scope], subject: str, resource: str
) -> str:
    """A token that a person has consented to; with no scope of ours, for a login alone."""
    named = " ".join(sorted(scopes)) or "openid"
    reply = await client.tokens(named, subject=subject, resource=[resource])
    token: str = reply["access_token"]
    return token


@asynccontextmanager
async def deployed(
    folder: Path, wire: Wire | None = None, **options: Any
) -> AsyncIterator[Deployment]:
    """A server of the whole catalogue."""
    wire = wire or Wire()
    if wire.app.state.project.kind == "consumer":
        seed(wire.app, Seed.model_validate({"users": USERS}))
    settings = Settings(sandbox=True, transport=("http", "sse"), auth="sandbox", data_dir=folder)
    offer, audit = offering(), log_in(folder / "audit")
    with bind("127.0.0.1", 0) as listener:
        authority = authority_of(listener)
        origin = f"http://{authority}"
        scopes = {tool.scope for tool in offer.on.values()}
        async with (
            project_on(wire, folder=folder) as project,
            open_access(settings, origin, scopes, endpoints=ENDPOINTS, sandbox=wire.app) as access,
            httpx2.AsyncClient(trust_env=False, timeout=20) as http,
        ):
            authorization = Authorization(offer.on, audit, project.api.project_id)
            server = build_server(project, offer, audit=audit, checks=[authorization], **options)
            plain = [tool.name for tool in offer.on.values() if tool.only_reads]
            guard = Guard(access, authorization)
            app = build_app(server, list(PATHS), Network(authority), plain, guard=guard)
            listening = uvicorn.Server(
                uvicorn.Config(
                    app,
                    log_config=None,
                    access_log=False,
                    http=BoundedProtocol,
                    ws="none",
                    timeout_graceful_shutdown=0,
                )
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: listening._serve(sockets=[listener]))
                yield Deployment(origin, http, wire, project, folder)
                listening.should_exit = True
