"""A sandbox with an app, behind a wire that sees every write, and a person before a client."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
from examples import APP, EXAMPLES, MEMBER, ORGANIZATION, USER
from mcp import Client, types
from support import WITH_PAGE, project_on

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import ProjectKind, create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools import ToolContext
from connected_apps_tools.api.service import CALL_DEADLINE
from connected_apps_tools.safety.destinations import Destination, Destinations
from connected_apps_tools.safety.policy import Policy

A, B = "https://a.example/cb", "https://b.example/cb"
SOFTWARE = types.Implementation(name="a client", version="1.2")
YES = types.ElicitResult(action="accept", content={"confirm": True})
NO = types.ElicitResult(action="decline")


class Wire(httpx2.AsyncBaseTransport):
    """A sandbox with an app, behind a wire that sees the writes.

    Attributes:
        writes: method and path of each.
        requests: method and path of each request.
        looks: the path of each read of an app.
        looked_at: the app as the last read showed it; nothing where there was none.
        request_ids: what the service called each that it carried out.
        witness: is called when a write arrives, before the service gets it.
        instead: what happens to a write instead, if anything.
        meanwhile: what happens after the next read, if anything.
    """

    def __init__(self, kind: ProjectKind = "consumer") -> None:
        self.app = create_sandbox(kind=kind)
        grants = [{"client_id": APP, "scopes": ["openid", "email"]}]
        app = {"client_id": APP, "client_type": "first_party", "client_name": "Mi\u202ene"}
        settings = {"redirect_urls": [A], "access_token_expiry_minutes": 60}
        holders: dict[str, Any] = (
            {"users": [{"external_id": USER, "grants": grants}]}
            if kind == "consumer"
            else {
                "organizations": [
                    {"slug": ORGANIZATION, "members": [{"external_id": MEMBER, "grants": grants}]}
                ]
            }
        )
        self.seed = Seed.model_validate({"apps": [app | settings], **holders})
        self.restore()
        self.sandbox = httpx2.ASGITransport(self.app)
        self.writes: list[str] = []
        self.requests: list[str] = []
        self.looks: list[str] = []
        self.looked_at: dict[str, Any] = {}
        self.request_ids: list[str] = []
        self.witness: Callable[[httpx2.Request], object] = lambda _: None
        self.instead: Callable[[], Awaitable[httpx2.Response]] | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        if request.url.path.endswith("/introspect"):
            return await self.sandbox.handle_async_request(request)
        if request.method == "GET" or request.url.path.endswith("/search"):
            response = await self.sandbox.handle_async_request(request)
            self.looks.append(request.url.path)
            self.looked_at = self.app_as_it_is(APP)
            if happens := self.meanwhile:
                self.meanwhile = None
                await happens()
            return response
        write = f"{request.method} {request.url.path}"
        self.writes.append(write)
        self.witness(request)
        if self.instead:
            return await self.instead()
        response = await self.sandbox.handle_async_request(request)
        self.request_ids.append(json.loads(await response.aread())["request_id"])
        return response

    def restore(self) -> None:
        """Let there be the app and the grant again, where they are gone."""
        seed(self.app, self.seed)

    def state(self) -> str:
        """All that the sandbox holds."""
        with self.app.state.project.database.transaction() as connection:
            return "\n".join(connection.iterdump())

    def app_as_it_is(self, client_id: str) -> dict[str, Any]:
        """An app as the sandbox holds it; nothing where there is none."""
        with self.app.state.project.database.transaction() as connection:
            found = connection.execute(
                "SELECT document FROM app WHERE client_id = ?", (client_id,)
            ).fetchone()
        app: dict[str, Any] = json.loads(found[0]) if found else {}
        return app

    def grants(self) -> list[str]:
        """The client ids that somebody has granted something."""
        with self.app.state.project.database.transaction() as connection:
            return [row[0] for row in connection.execute("SELECT client_id FROM app_grant")]


class Person:
    """Who answers questions, and remembers them."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    async def __call__(self, _context: Any, params: Any) -> Any:
        self.questions.append(params.message)
        given = self.answers.pop(0) if self.answers else YES
        return await given() if callable(given) else given


@asynccontextmanager
async def asking(  # noqa: PLR0913 - each is another setting
    wire: Wire,
    person: Person | None,
    era: str = "auto",
    *,
    live: bool = False,
    folder: Path | None = None,
    policy: Policy | None = None,
    deadline: float = CALL_DEADLINE,
    **options: Any,
) -> AsyncIterator[tuple[Client, ToolContext]]:
    """A client with pages and this person before it, and the project that it works on."""
    async with project_on(wire, folder=folder, deadline=deadline) as opened:
        about = replace(opened.server, environment="live" if live else "sandbox")
        project = replace(opened, server=about, policy=with_destination(policy, opened.folder))
        server = build_server(project, **options)
        answers: Any = person
        async with Client(
            server,
            mode=era,
            elicitation_callback=answers,
            client_info=SOFTWARE,
            extensions=WITH_PAGE,
        ) as client:
            yield client, project


def with_destination(policy: Policy | None, folder: Path) -> Policy:
    """A policy, with the destination of the examples unless it has some."""
    given = policy or Policy()
    ours = Destination(file=str(folder / ".env"), key="CLIENT_SECRET")
    return (
        given
        if given.destinations
        else given.model_copy(update={"destinations": Destinations({"env": ours})})
    )


async def rotating(project: ToolContext) -> None:
    await project.secrets.start_rotation(APP, revealed=False)


async def nothing(_project: ToolContext) -> None:
    """Nothing to prepare."""


Preparation = Callable[[ToolContext], Awaitable[None]]
CONFIRMED: dict[str, tuple[str, dict[str, Any], Preparation]] = {
    "delete": ("delete_app", {"client_id": APP}, nothing),
    "complete": ("complete_secret_rotation", {"client_id": APP}, rotating),
    "revoke": ("revoke_user_grant", {"user_id": USER, "client_id": APP}, nothing),
    "revoke of a member": (
        "revoke_member_grant",
        {"organization_id": ORGANIZATION, "member_id": MEMBER, "client_id": APP},
        nothing,
    ),
    "reveal at creation": (
        "create_app",
        {"client_type": "first_party", "client_name": "New", "reveal_secret": True},
        nothing,
    ),
    "reveal at a rotation": (
        "start_secret_rotation",
        {"client_id": APP, "reveal_secret": True},
        nothing,
    ),
    "new redirect host": ("update_app", {"client_id": APP, "add_redirect_urls": [B]}, nothing),
    "new logout host": (
        "update_app",
        {"client_id": APP, "add_post_logout_redirect_urls": [B]},
        nothing,
    ),
    "another port": (
        "update_app",
        {"client_id": APP, "add_redirect_urls": ["https://a.example:8443/cb"]},
        nothing,
    ),
    "a pattern": (
        "update_app",
        {"client_id": APP, "add_redirect_urls": ["https://a.example/*"]},
        nothing,
    ),
    "no redirects": ("update_app", {"client_id": APP, "redirect_urls": []}, nothing),
    "full access": ("update_app", {"client_id": APP, "full_access_allowed": True}, nothing),
    "no consent": (
        "update_app",
        {"client_id": APP, "bypass_consent_for_offline_access": True},
        nothing,
    ),
    "longer tokens": ("update_app", {"client_id": APP, "access_token_expiry_minutes": 61}, nothing),
    "audience": (
        "update_app",
        {"client_id": APP, "access_token_custom_audience": "https://x.example"},
        nothing,
    ),
    "claims": ("update_app", {"client_id": APP, "access_token_template_content": "{}"}, nothing),
    "claims of ID tokens": (
        "update_app",
        {"client_id": APP, "id_token_template_content": "{}"},
        nothing,
    ),
}
"""What is asked about: the tool, its arguments, and what has to be so before."""


def wire_for(tool: str) -> Wire:
    """A seeded sandbox on which the example of a tool succeeds."""
    return Wire(EXAMPLES[tool].kind or "consumer")


def example_of(tool: str) -> tuple[str, dict[str, Any], Preparation]:
    """The example of a tool, and what has to be so before."""
    example = EXAMPLES[tool]
    return tool, example.arguments, rotating if example.rotating else nothing
