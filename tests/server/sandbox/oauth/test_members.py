"""In a B2B project, the members of organizations consent."""

from __future__ import annotations

import httpx2
import jwt
import pytest
from starlette.applications import Starlette

from connected_apps_mcp.sandbox import create_sandbox

from .flow import OAuthClient

ORGANIZATION = "https://stytch.com/organization"


@pytest.fixture
def sandbox() -> Starlette:
    return create_sandbox(kind="b2b")


def organization_of(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"].startswith("member-test-")
    found: str = claims[ORGANIZATION]["organization_id"]
    return found


async def test_an_access_token_of_a_member_names_the_organization(
    app: OAuthClient, api: httpx2.AsyncClient
) -> None:
    organization = {"slug": "acme", "members": [{"external_id": "ada"}]}
    seeded = await api.post("http://sandbox/sandbox/seed", json={"organizations": [organization]})
    tokens = await app.tokens()
    assert [organization_of(tokens["access_token"])] == seeded.json()["organization_ids"]


async def test_revoking_the_grant_of_a_member_ends_its_tokens(
    app: OAuthClient, api: httpx2.AsyncClient
) -> None:
    organization = {"slug": "acme", "members": [{"external_id": "ada"}]}
    await api.post("http://sandbox/sandbox/seed", json={"organizations": [organization]})
    tokens = await app.tokens()
    path = f"/b2b/organizations/acme/members/ada/connected_apps/{app.client_id}/revoke"
    assert (await api.post(path, json={})).status_code == 200
    assert not await app.is_active(tokens["access_token"])


async def test_an_empty_project_gets_an_organization_with_a_member(app: OAuthClient) -> None:
    assert organization_of((await app.tokens())["access_token"]).startswith("organization-test-")
