"""Apps of a fresh sandbox that has the custom scope `apps:read`, and two users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed

from .flow import LOOPBACK, REDIRECT, OAuthClient

ADA = "user-test-ada"
GRACE = "user-test-grace"
USERS = [{"user_id": ADA, "external_id": "ada"}, {"user_id": GRACE, "external_id": "grace"}]

Register = Callable[..., Awaitable[OAuthClient]]


@pytest.fixture
def sandbox() -> Starlette:
    app = create_sandbox(scopes=["apps:read"])
    seed(app, Seed.model_validate({"users": USERS}))
    return app


@pytest.fixture
async def api(
    connect: Callable[..., Awaitable[httpx2.AsyncClient]], sandbox: Starlette
) -> httpx2.AsyncClient:
    """A client of the API, with the credentials of the project."""
    return await connect(sandbox)


@pytest.fixture
async def register(
    connect: Callable[..., Awaitable[httpx2.AsyncClient]],
    sandbox: Starlette,
    api: httpx2.AsyncClient,
    create: Callable[..., Awaitable[dict[str, Any]]],
) -> Register:
    """Create an app through the API; return it as an OAuth client."""
    http = await connect(sandbox, None)

    async def new_app(**settings: Any) -> OAuthClient:
        app = await create(api, **{"redirect_urls": [REDIRECT, LOOPBACK], **settings})
        return OAuthClient(http, app["client_id"], app["client_secret"])

    return new_app


@pytest.fixture
async def app(register: Register) -> OAuthClient:
    """A confidential app."""
    return await register()


@pytest.fixture
async def public_app(register: Register) -> OAuthClient:
    return await register(client_type="third_party_public")
