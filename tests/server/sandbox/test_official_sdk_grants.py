"""The vendor's Python SDK reads and revokes grants of both kinds of project over a real socket."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import requests
import stytch
from starlette.applications import Starlette
from stytch.b2b.models.organizations import ConnectedAppsRequestOptions
from stytch.core.response_base import StytchError
from stytch.shared.method_options import Authorization

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS

from .seeds import ACME, ADA, ALAN, CALENDAR, GRACE, NOTES, seeded

# The SDK still gives aiohttp its credentials in the old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

# The SDK's answers are typed by the vendor; calling its methods by name loses that.
Answer = Any
Sdk = Callable[..., Awaitable[Answer]]
Serve = Callable[[Starlette], str]


@pytest.fixture(params=["sync", "async"])
async def open_sdk(
    request: pytest.FixtureRequest,
) -> AsyncIterator[Callable[[type[Any], str], Sdk]]:
    """Open a client of the SDK on a URL; the result calls its method by dotted name."""
    suffix = "_async" if request.param == "async" else ""
    async with aiohttp.ClientSession() as async_session:
        with requests.Session() as sync_session:

            def open_url(client_type: type[Any], url: str) -> Sdk:
                client = client_type(
                    project_id=SANDBOX_CREDENTIALS.project_id,
                    secret=SANDBOX_CREDENTIALS.secret,
                    environment=url,
                    suppress_warnings=True,
                    async_session=async_session,
                    sync_session=sync_session,
                )

                async def call(method: str, **arguments: object) -> Answer:
                    owner: Any = client
                    *path, name = method.split(".")
                    for part in path:
                        owner = getattr(owner, part)
                    answer = getattr(owner, name + suffix)(**arguments)
                    return await answer if inspect.isawaitable(answer) else answer

                return call

            yield open_url


@pytest.fixture
def consumer(open_sdk: Callable[[type[Any], str], Sdk], serve: Serve) -> Sdk:
    return open_sdk(stytch.Client, serve(seeded("consumer")))


@pytest.fixture
def b2b(open_sdk: Callable[[type[Any], str], Sdk], serve: Serve) -> Sdk:
    return open_sdk(stytch.B2BClient, serve(seeded("b2b")))


async def error_of(sdk: Sdk, method: str, **arguments: object) -> tuple[int, str | None]:
    with pytest.raises(StytchError) as caught:
        await sdk(method, **arguments)
    return caught.value.details.status_code, caught.value.details.error_type


async def test_a_users_apps_are_listed_and_revoked(consumer: Sdk) -> None:
    found = await consumer("users.connected_apps", user_id=ADA)
    scopes = {app.connected_app_id: app.scopes_granted for app in found.connected_apps}
    assert scopes == {CALENDAR: "openid", NOTES: "openid offline_access"}
    await consumer("users.revoke", user_id=ADA, connected_app_id=NOTES)
    left = await consumer("users.connected_apps", user_id="ada")
    assert [app.connected_app_id for app in left.connected_apps] == [CALENDAR]


async def test_an_organizations_apps_are_listed(b2b: Sdk) -> None:
    found = await b2b("organizations.connected_apps", organization_id="acme")
    assert [app.connected_app_id for app in found.connected_apps] == [CALENDAR, NOTES]


async def test_an_organizations_app_shows_its_members(b2b: Sdk) -> None:
    app = await b2b("organizations.get_connected_app", organization_id=ACME, connected_app_id=NOTES)
    assert app.name == "Notes"
    scopes = {member.member_id: member.granted_scopes for member in app.active_members}
    assert scopes == {member: ["openid", "offline_access"] for member in (GRACE, ALAN)}


async def test_a_members_apps_are_listed_and_revoked(b2b: Sdk) -> None:
    member = {"organization_id": ACME, "member_id": GRACE}
    listing = "organizations.members.get_connected_apps"
    found = await b2b(listing, **member)
    scopes = {app.connected_app_id: app.scopes_granted for app in found.connected_apps}
    assert scopes == {CALENDAR: "openid", NOTES: "openid offline_access"}
    await b2b("organizations.members.connected_apps.revoke", connected_app_id=NOTES, **member)
    left = await b2b(listing, **member)
    assert [app.connected_app_id for app in left.connected_apps] == [CALENDAR]


async def test_a_members_session_may_be_sent(b2b: Sdk) -> None:
    options = ConnectedAppsRequestOptions(authorization=Authorization(session_token="any"))
    found = await b2b(
        "organizations.connected_apps", organization_id="acme", method_options=options
    )
    assert found.status_code == 200


async def test_a_missing_user_is_not_found(consumer: Sdk) -> None:
    error = await error_of(consumer, "users.connected_apps", user_id="nobody")
    assert error == (404, "user_not_found")


async def test_a_missing_member_is_not_found(b2b: Sdk) -> None:
    error = await error_of(
        b2b,
        "organizations.members.get_connected_apps",
        organization_id="acme",
        member_id="nobody",
    )
    assert error == (404, "member_not_found")


async def test_a_consumer_project_refuses_the_b2b_endpoints(
    open_sdk: Callable[[type[Any], str], Sdk], serve: Serve
) -> None:
    sdk = open_sdk(stytch.B2BClient, serve(seeded("consumer")))
    error = await error_of(sdk, "organizations.connected_apps", organization_id="acme")
    assert error == (400, "invalid_b2b_endpoint")


async def test_a_b2b_project_refuses_the_users_endpoints(
    open_sdk: Callable[[type[Any], str], Sdk], serve: Serve
) -> None:
    sdk = open_sdk(stytch.Client, serve(seeded("b2b")))
    error = await error_of(sdk, "users.connected_apps", user_id="ada")
    assert error == (400, "invalid_consumer_endpoint")


async def test_the_b2b_client_manages_apps(b2b: Sdk) -> None:
    created = await b2b("connected_app.clients.create", client_type="first_party")
    found = await b2b("connected_app.clients.get", client_id=created.connected_app.client_id)
    assert found.connected_app.client_type == "first_party"
