"""Who has authorised which app, in the published shapes, for both kinds of project."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connected_apps_mcp.sandbox import ProjectKind, SandboxCredentials, create_sandbox

from .seeds import ACME, ADA, ALAN, CALENDAR, GRACE, NOTES, UNUSED, seeded

Connect = Callable[..., Awaitable[httpx2.AsyncClient]]
PUBLISHED = json.loads((Path(__file__).parent / "published_grants.json").read_text())
USER_APPS = f"/users/{ADA}/connected_apps"
ACME_APPS = f"/b2b/organizations/{ACME}/connected_apps"
MEMBER_APPS = f"/b2b/organizations/{ACME}/members/{GRACE}/connected_apps"
UNKNOWN_APP = "connected-app-test-00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def consumer(connect: Connect) -> httpx2.AsyncClient:
    """A client of a filled consumer project."""
    return await connect(seeded("consumer"))


@pytest.fixture
async def b2b(connect: Connect) -> httpx2.AsyncClient:
    """A client of a filled B2B project."""
    return await connect(seeded("b2b"))


async def body_of(client: httpx2.AsyncClient, method: str, path: str) -> dict[str, Any]:
    response = await client.request(method, path)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def apps_of(client: httpx2.AsyncClient, path: str) -> list[str]:
    apps = (await body_of(client, "GET", path))["connected_apps"]
    return [app["connected_app_id"] for app in apps]


async def error_of(client: httpx2.AsyncClient, method: str, path: str) -> tuple[int, str]:
    response = await client.request(method, path)
    return response.status_code, response.json()["error_type"]


def misfits(value: object, published: str, where: str = "") -> list[str]:
    """Where a value is not what was published; null counts as an optional field left out."""
    if item := published.removeprefix("array of ") if published.startswith("array") else None:
        if not isinstance(value, list):
            return [f"{where}: no array"]
        return [bad for entry in value for bad in misfits(entry, item, f"{where}[]")]
    if published in {"string", "integer"}:
        fits = isinstance(value, {"string": str, "integer": int}[published])
        return [] if fits else [f"{where}: no {published}"]
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    fields = PUBLISHED["schemas"][published]
    required = {name for name, field in fields.items() if field["required"]}
    # Listed by every other answer, and required by the SDKs.
    unknown = value.keys() - fields.keys() - {"request_id"}
    odd = [f"{where}.{name}" for name in (required - value.keys()) | unknown]
    for name in fields.keys() & value.keys():
        if value[name] is not None or name in required:
            odd += misfits(value[name], fields[name]["type"], f"{where}.{name}")
    return odd


@pytest.mark.parametrize("operation", PUBLISHED["responses"])
async def test_a_response_has_the_published_shape(connect: Connect, operation: str) -> None:
    method, path = operation.split()
    client = await connect(seeded("b2b" if "/b2b/" in path else "consumer"))
    filled = path.format(
        user_id=ADA, organization_id=ACME, member_id=GRACE, connected_app_id=CALENDAR
    )
    body = await body_of(client, method, filled.removeprefix("/v1"))
    assert misfits(body, PUBLISHED["responses"][operation]) == []
    assert body["status_code"] == 200
    assert body["request_id"].startswith("request-id-test-")


async def test_a_users_list_shows_each_app_with_its_scopes_in_one_string(
    consumer: httpx2.AsyncClient,
) -> None:
    assert (await body_of(consumer, "GET", USER_APPS))["connected_apps"] == [
        {
            "connected_app_id": CALENDAR,
            "name": "Calendar",
            "description": "Copies meetings",
            "client_type": "third_party",
            "logo_url": "https://calendar.example/logo.png",
            "scopes_granted": "openid",
        },
        {
            "connected_app_id": NOTES,
            "name": "Notes",
            "description": "",
            "client_type": "first_party_public",
            "logo_url": None,
            "scopes_granted": "openid offline_access",
        },
    ]


async def test_a_members_list_shows_the_scopes_in_one_string(b2b: httpx2.AsyncClient) -> None:
    apps = (await body_of(b2b, "GET", MEMBER_APPS))["connected_apps"]
    scopes = {app["connected_app_id"]: app["scopes_granted"] for app in apps}
    assert scopes == {CALENDAR: "openid", NOTES: "openid offline_access"}


async def test_an_organizations_list_shows_each_app_once_and_no_scopes(
    b2b: httpx2.AsyncClient,
) -> None:
    apps = (await body_of(b2b, "GET", ACME_APPS))["connected_apps"]
    assert [app["connected_app_id"] for app in apps] == [CALENDAR, NOTES]
    assert "scopes_granted" not in apps[0]


async def test_an_organizations_app_shows_its_members_with_their_scopes_in_a_list(
    b2b: httpx2.AsyncClient,
) -> None:
    app = await body_of(b2b, "GET", f"{ACME_APPS}/{NOTES}")
    assert "connected_app" not in app
    assert (app["connected_app_id"], app["name"]) == (NOTES, "Notes")
    assert app["active_members"] == [
        {"member_id": GRACE, "granted_scopes": ["openid", "offline_access"]},
        {"member_id": ALAN, "granted_scopes": ["openid", "offline_access"]},
    ]


async def test_an_organizations_app_shows_no_member_of_another_organization(
    b2b: httpx2.AsyncClient,
) -> None:
    app = await body_of(b2b, "GET", f"{ACME_APPS}/{CALENDAR}")
    assert [member["member_id"] for member in app["active_members"]] == [GRACE]


async def test_an_app_that_no_member_authorised_has_no_members(
    b2b: httpx2.AsyncClient,
) -> None:
    assert (await body_of(b2b, "GET", f"{ACME_APPS}/{UNUSED}"))["active_members"] == []


@pytest.mark.parametrize("user", [ADA, "ada"])
async def test_a_user_may_be_named_by_an_external_id(
    consumer: httpx2.AsyncClient, user: str
) -> None:
    assert await apps_of(consumer, f"/users/{user}/connected_apps") == [CALENDAR, NOTES]
    revoked = await consumer.post(f"/users/{user}/connected_apps/{NOTES}/revoke")
    assert revoked.status_code == 200
    assert await apps_of(consumer, USER_APPS) == [CALENDAR]


@pytest.mark.parametrize("organization", [ACME, "acme", "customer-1"])
@pytest.mark.parametrize("member", [GRACE, "grace"])
async def test_an_organization_may_be_named_by_its_slug_and_both_by_an_external_id(
    b2b: httpx2.AsyncClient, organization: str, member: str
) -> None:
    base = f"/b2b/organizations/{organization}"
    apps = f"{base}/members/{member}/connected_apps"
    assert await apps_of(b2b, f"{base}/connected_apps") == [CALENDAR, NOTES]
    assert (await b2b.get(f"{base}/connected_apps/{NOTES}")).status_code == 200
    assert await apps_of(b2b, apps) == [CALENDAR, NOTES]
    assert (await b2b.post(f"{apps}/{NOTES}/revoke")).status_code == 200
    assert await apps_of(b2b, MEMBER_APPS) == [CALENDAR]


async def test_an_external_id_names_the_member_of_the_organization_asked(
    b2b: httpx2.AsyncClient,
) -> None:
    apps = "/b2b/organizations/globex/members/grace/connected_apps"
    assert await apps_of(b2b, apps) == [CALENDAR]


async def test_revoking_leaves_the_grants_of_other_users(consumer: httpx2.AsyncClient) -> None:
    await body_of(consumer, "POST", f"{USER_APPS}/{NOTES}/revoke")
    assert await apps_of(consumer, "/users/other/connected_apps") == [NOTES]


async def test_an_app_leaves_an_organization_with_its_last_member(b2b: httpx2.AsyncClient) -> None:
    await body_of(b2b, "POST", f"{MEMBER_APPS}/{CALENDAR}/revoke")
    assert await apps_of(b2b, ACME_APPS) == [NOTES]
    assert await apps_of(b2b, "/b2b/organizations/globex/connected_apps") == [CALENDAR]


async def test_deleting_an_app_deletes_its_grants(consumer: httpx2.AsyncClient) -> None:
    await body_of(consumer, "DELETE", f"/connected_apps/clients/{NOTES}")
    assert await apps_of(consumer, USER_APPS) == [CALENDAR]
    assert await apps_of(consumer, "/users/other/connected_apps") == []


async def test_a_list_shows_an_app_as_it_is_now(consumer: httpx2.AsyncClient) -> None:
    await consumer.put(f"/connected_apps/clients/{CALENDAR}", json={"client_name": "New"})
    apps = (await body_of(consumer, "GET", USER_APPS))["connected_apps"]
    assert apps[0]["name"] == "New"


NOT_FOUND = {
    "user_not_found": ("consumer", "/users/nobody/connected_apps"),
    "organization_not_found": ("b2b", "/b2b/organizations/nowhere/connected_apps"),
    "member_not_found": ("b2b", "/b2b/organizations/acme/members/nobody/connected_apps"),
}


@pytest.mark.parametrize("error_type", NOT_FOUND)
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("POST", f"/{NOTES}/revoke")])
async def test_a_missing_subject_is_not_found(
    connect: Connect, error_type: str, method: str, rest: str
) -> None:
    kind, path = NOT_FOUND[error_type]
    if error_type == "organization_not_found" and rest:
        path = "/b2b/organizations/nowhere/members/grace/connected_apps"
    client = await connect(seeded("b2b" if kind == "b2b" else "consumer"))
    assert await error_of(client, method, path + rest) == (404, error_type)


async def test_a_member_of_another_organization_is_not_found(b2b: httpx2.AsyncClient) -> None:
    apps = f"/b2b/organizations/globex/members/{ALAN}/connected_apps"
    assert await error_of(b2b, "GET", apps) == (404, "member_not_found")


@pytest.mark.parametrize("client_id", [UNKNOWN_APP, UNUSED])
@pytest.mark.parametrize(("kind", "apps"), [("consumer", USER_APPS), ("b2b", MEMBER_APPS)])
async def test_revoking_a_missing_grant_is_not_found(
    connect: Connect, kind: ProjectKind, apps: str, client_id: str
) -> None:
    client = await connect(seeded(kind))
    error = await error_of(client, "POST", f"{apps}/{client_id}/revoke")
    assert error == (404, "connected_app_not_found")


async def test_a_second_revocation_is_not_found(consumer: httpx2.AsyncClient) -> None:
    await body_of(consumer, "POST", f"{USER_APPS}/{NOTES}/revoke")
    error = await error_of(consumer, "POST", f"{USER_APPS}/{NOTES}/revoke")
    assert error == (404, "connected_app_not_found")


async def test_an_unknown_app_of_an_organization_is_not_found(b2b: httpx2.AsyncClient) -> None:
    error = await error_of(b2b, "GET", f"{ACME_APPS}/{UNKNOWN_APP}")
    assert error == (404, "connected_app_not_found")


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("consumer" if "/b2b/" in operation else "b2b", operation)
        for operation in PUBLISHED["responses"]
    ],
)
async def test_an_endpoint_of_the_other_kind_of_project_is_refused(
    connect: Connect, kind: ProjectKind, operation: str
) -> None:
    client = await connect(seeded(kind))
    method, path = operation.split()
    expected = "invalid_b2b_endpoint" if kind == "consumer" else "invalid_consumer_endpoint"
    assert await error_of(client, method, path.removeprefix("/v1")) == (400, expected)


async def test_errors_of_a_b2b_project_point_to_its_own_documentation(
    b2b: httpx2.AsyncClient,
) -> None:
    body = (await b2b.get("/b2b/organizations/nowhere/connected_apps")).json()
    assert body["error_url"] == "https://stytch.com/docs/b2b/api/errors/404#organization_not_found"


@pytest.mark.parametrize("kind", ["consumer", "b2b"])
async def test_the_apps_of_both_kinds_are_managed_alike(
    connect: Connect, kind: ProjectKind
) -> None:
    client = await connect(seeded(kind))
    found = (await client.post("/connected_apps/clients/search")).json()
    assert found["results_metadata"]["total"] == 3


@pytest.mark.parametrize(
    "path",
    [
        "/b2b/organizations/organization-live-x/connected_apps",
        f"/b2b/organizations/{ACME}/connected_apps/connected-app-live-x",
        f"/b2b/organizations/{ACME}/members/member-live-x/connected_apps",
    ],
)
async def test_an_id_of_the_other_environment_is_refused(
    b2b: httpx2.AsyncClient, path: str
) -> None:
    assert await error_of(b2b, "GET", path) == (400, "live_id_used_in_test_environment")


async def test_a_user_id_of_the_other_environment_is_refused(connect: Connect) -> None:
    live = SandboxCredentials("project-live-1", "secret-live-fake")
    client = await connect(create_sandbox(live), live)
    error = await error_of(client, "GET", "/users/user-test-1/connected_apps")
    assert error == (400, "test_id_used_in_live_environment")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"user_id": "ada", "connected_app_id": "x"}'])
async def test_a_revocation_takes_any_body_that_the_sdks_send(
    consumer: httpx2.AsyncClient, content: bytes
) -> None:
    response = await consumer.post(f"{USER_APPS}/{NOTES}/revoke", content=content)
    assert response.status_code == 200


async def test_a_list_may_repeat_the_path_in_its_query(consumer: httpx2.AsyncClient) -> None:
    response = await consumer.get(USER_APPS, params={"user_id": ADA})
    assert response.status_code == 200


async def test_grants_need_the_projects_credentials(connect: Connect) -> None:
    client = await connect(seeded("consumer"), None)
    assert await error_of(client, "GET", USER_APPS) == (401, "unauthorized_credentials")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'consumer' or 'b2b'"):
        create_sandbox(kind="other")  # type: ignore[arg-type]
