"""A seed fills a sandbox: all of it or nothing, and again without harm."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from connected_apps_mcp.sandbox import ProjectKind, SandboxCredentials, create_sandbox
from connected_apps_mcp.sandbox.errors import ApiError
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed, SeedApp

from .seeds import ACME, ADA, ALAN, APPS, CALENDAR, GRACE, NOTES, PLANS, UNUSED, seeded

Connect = Callable[..., Awaitable[httpx2.AsyncClient]]
SEED = "http://sandbox/sandbox/seed"
CLIENTS = "/connected_apps/clients"


async def found_apps(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    page = (await client.post(f"{CLIENTS}/search", json={"limit": 1000})).json()
    apps: list[dict[str, Any]] = page["connected_apps"]
    return apps


async def granted(client: httpx2.AsyncClient, holder: str) -> dict[str, str]:
    body = (await client.get(f"{holder}/connected_apps")).json()
    return {app["connected_app_id"]: app["scopes_granted"] for app in body["connected_apps"]}


@pytest.mark.parametrize("kind", ["consumer", "b2b"])
async def test_the_endpoint_and_the_function_do_the_same(
    connect: Connect, kind: ProjectKind
) -> None:
    client = await connect(create_sandbox(kind=kind))
    response = await client.post(SEED, json=PLANS[kind])
    assert response.status_code == 200, response.text
    by_endpoint = response.json()
    by_function = seed(create_sandbox(kind=kind), Seed.model_validate(PLANS[kind])).model_dump()
    ours = {"client_ids", "user_ids", "grants", "generated_apps"}
    assert {name: by_endpoint[name] for name in ours} == {name: by_function[name] for name in ours}
    assert by_endpoint["client_ids"] == [CALENDAR, NOTES, UNUSED]


def test_the_ids_come_in_the_order_of_the_seed() -> None:
    done = seed(create_sandbox(), Seed.model_validate(PLANS["consumer"]))
    assert (done.user_ids, done.grants) == ([ADA, "user-test-other"], 3)
    done = seed(create_sandbox(kind="b2b"), Seed.model_validate(PLANS["b2b"]))
    assert done.organization_ids[0] == ACME
    assert done.member_ids[:2] == [GRACE, ALAN]
    assert (len(done.organization_ids), len(done.member_ids), done.grants) == (3, 3, 4)


def test_a_missing_id_is_generated() -> None:
    plan = {"slug": "acme", "members": [{"external_id": "ada"}]}
    done = seed(create_sandbox(kind="b2b"), Seed.model_validate({"organizations": [plan]}))
    assert done.organization_ids[0].startswith("organization-test-")
    assert done.member_ids[0].startswith("member-test-")


def test_ids_of_a_live_project_contain_live() -> None:
    app = create_sandbox(SandboxCredentials("project-live-1", "secret-live-fake"))
    done = seed(
        app, Seed(apps=[SeedApp(client_type="first_party")], generated_apps=1, example=True)
    )
    assert all(name.startswith("connected-app-live-") for name in done.client_ids)
    assert all(name.startswith("user-live-") for name in done.user_ids)


@pytest.mark.parametrize("kind", ["consumer", "b2b"])
def test_seeding_again_changes_nothing_with_a_name(kind: ProjectKind) -> None:
    app = create_sandbox(kind=kind)
    plan = Seed.model_validate(PLANS[kind] | {"example": True, "generated_apps": 10})
    assert seed(app, plan) == seed(app, plan)
    assert app.state.project.apps.page(0, 1).total == 3 + 3 + 10


async def test_seeding_again_leaves_a_changed_app_unchanged(connect: Connect) -> None:
    client = await connect(seeded("consumer"))
    await client.put(f"{CLIENTS}/{CALENDAR}", json={"client_name": "New"})
    await client.post(SEED, json=PLANS["consumer"])
    assert (await found_apps(client))[0]["client_name"] == "New"


async def test_seeding_again_sets_scopes_and_restores_revoked_grants(
    connect: Connect,
) -> None:
    client = await connect(seeded("consumer"))
    await client.post(f"/users/{ADA}/connected_apps/{NOTES}/revoke")
    grants = [{"client_id": CALENDAR, "scopes": ["email"]}, {"client_id": NOTES}]
    await client.post(SEED, json={"users": [{"external_id": "ada", "grants": grants}]})
    assert await granted(client, f"/users/{ADA}") == {CALENDAR: "email", NOTES: ""}


async def test_a_grant_can_be_for_an_app_created_by_the_api(connect: Connect) -> None:
    client = await connect(create_sandbox())
    created = (await client.post(CLIENTS, json={"client_type": "third_party"})).json()
    client_id = created["connected_app"]["client_id"]
    grants = [{"client_id": client_id, "scopes": ["openid"]}]
    await client.post(SEED, json={"users": [{"external_id": "ada", "grants": grants}]})
    assert await granted(client, "/users/ada") == {client_id: "openid"}


async def test_a_seed_may_have_apps_that_create_would_refuse(connect: Connect) -> None:
    odd = {
        "client_type": "third_party",
        "redirect_urls": ["http://evil.example/*#x"],
        "full_access_allowed": True,
        "creation_method": "dynamic",
        "client_id_metadata_url": "https://evil.example/metadata",
    }
    client = await connect(create_sandbox())
    assert (await client.post(CLIENTS, json=odd)).status_code == 400
    assert (await client.post(SEED, json={"apps": [odd]})).status_code == 200
    (app,) = await found_apps(client)
    assert odd.items() <= app.items()


async def test_an_app_can_be_seeded_with_its_rotation_in_progress(connect: Connect) -> None:
    client = await connect(create_sandbox())
    await client.post(SEED, json={"apps": [{"client_type": "first_party", "rotating": True}]})
    (app,) = await found_apps(client)
    assert len(app["next_client_secret_last_four"]) == 4
    path = f"{CLIENTS}/{app['client_id']}/secrets/rotate"
    assert (await client.post(f"{path}/start")).status_code == 400
    assert (await client.post(path)).status_code == 200


async def test_a_rotation_gives_a_seeded_app_a_secret_that_works(
    connect: Connect, is_alive: Callable[..., Awaitable[bool]]
) -> None:
    client = await connect(seeded("consumer"))
    started = (await client.post(f"{CLIENTS}/{CALENDAR}/secrets/rotate/start")).json()
    secret = started["connected_app"]["next_client_secret"]
    assert await is_alive(client, CALENDAR, secret)


def named(**fields: Any) -> dict[str, Any]:
    return {"external_id": "ada", **fields}


REFUSED: dict[str, tuple[ProjectKind, dict[str, Any], str]] = {
    "an unknown field": ("consumer", {"usres": []}, "usres: Extra inputs are not permitted"),
    "an unknown field further in": (
        "consumer",
        {"users": [named(grants=[{"client_id": CALENDAR, "scope": []}])]},
        "users.0.grants.0.scope: Extra inputs are not permitted",
    ),
    "a missing field": ("consumer", {"apps": [{}]}, "apps.0.client_type: Field required"),
    "a type that is none": ("consumer", {"apps": [{"client_type": "x"}]}, "apps.0.client_type: "),
    "a wrong JSON type": ("consumer", {"generated_apps": "1"}, "generated_apps: "),
    "too many": ("consumer", {"generated_apps": 1_000_001}, "generated_apps: "),
    "an id that is none": ("consumer", {"users": [{"user_id": "ada"}]}, "users.0.user_id: "),
    "a scope that is two": (
        "consumer",
        {"users": [named(grants=[{"client_id": CALENDAR, "scopes": ["a b"]}])]},
        "users.0.grants.0.scopes.0: ",
    ),
    "a slug that is none": (
        "b2b",
        {"organizations": [{"slug": "a/b"}]},
        "organizations.0.slug: ",
    ),
    "an id of the other environment": (
        "b2b",
        {"organizations": [{"members": [{"member_id": "member-live-1"}]}]},
        "organizations.0.members.0.member_id: in this project it begins member-test-",
    ),
    "an app of the other environment": (
        "consumer",
        {"apps": [{"client_id": "connected-app-live-1", "client_type": "first_party"}]},
        "apps.0.client_id: in this project it begins connected-app-test-",
    ),
    "an app that is not there": (
        "b2b",
        {"organizations": [{"members": [named(grants=[{"client_id": "connected-app-test-0"}])]}]},
        "organizations.0.members.0.grants.0.client_id: no app of the seed or of the project has it",
    ),
    "a name that is taken": (
        "consumer",
        {"users": [named(user_id="user-test-1"), named(user_id="user-test-2")]},
        "users.1: one of its names is already in use",
    ),
    "a slug that is taken": (
        "b2b",
        {
            "organizations": [
                {"organization_id": f"organization-test-{number}", "slug": "acme"}
                for number in (1, 2)
            ]
        },
        "organizations.1: one of its names is already in use",
    ),
    "users of a B2B project": ("b2b", {"users": [named()]}, "users: a b2b project has "),
    "organizations of a consumer project": (
        "consumer",
        {"organizations": [{"slug": "acme"}]},
        "organizations: a consumer project has ",
    ),
    "a rotation of a public app": (
        "consumer",
        {"apps": [{"client_type": "first_party_public", "rotating": True}]},
        "apps.0.rotating: a public app has no secret",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_an_invalid_seed_is_refused_by_name_and_changes_nothing(
    connect: Connect, case: str
) -> None:
    kind, plan, message = REFUSED[case]
    client = await connect(create_sandbox(kind=kind))
    response = await client.post(SEED, json={"apps": APPS} | plan)
    assert response.status_code == 400
    assert response.json()["error_type"] == "invalid_request_value"
    assert response.json()["error_message"].startswith(message)
    assert await found_apps(client) == []


def test_the_error_of_the_function_names_the_field() -> None:
    plan = {"users": [named(grants=[{"client_id": CALENDAR}])]}
    with pytest.raises(ApiError, match=r"users\.0\.grants\.0\.client_id: no app"):
        seed(create_sandbox(), Seed.model_validate(plan))


def test_a_misspelt_field_is_refused_in_python_too() -> None:
    with pytest.raises(ValidationError, match="usres"):
        Seed.model_validate({"usres": []})


async def test_the_cap_on_apps_holds_for_seeds(connect: Connect) -> None:
    client = await connect(create_sandbox(max_apps=2))
    response = await client.post(SEED, json={"generated_apps": 3})
    assert response.json()["error_type"] == "too_many_connected_apps"
    assert await found_apps(client) == []


async def test_seeding_needs_the_projects_credentials(connect: Connect) -> None:
    client = await connect(create_sandbox(), None)
    assert (await client.post(SEED, json={"example": True})).status_code == 401


async def test_a_seed_may_be_larger_than_any_body_of_the_service(connect: Connect) -> None:
    client = await connect(create_sandbox())
    big = {"client_type": "first_party", "client_description": "x" * 300_000}
    assert (await client.post(SEED, json={"apps": [big]})).status_code == 200


@pytest.mark.parametrize("kind", ["consumer", "b2b"])
async def test_the_example_has_apps_and_grants(connect: Connect, kind: ProjectKind) -> None:
    client = await connect(create_sandbox(kind=kind))
    done = (await client.post(SEED, json={"example": True})).json()
    assert [app["client_id"] for app in await found_apps(client)] == done["client_ids"]
    ada = "/users/ada" if kind == "consumer" else "/b2b/organizations/acme/members/ada"
    assert len(await granted(client, ada)) == 2


async def test_the_seed_in_the_documentation_can_be_seeded(connect: Connect) -> None:
    documented = (Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md").read_text()
    plan = documented.partition("```json")[2].partition("```")[0]
    client = await connect(create_sandbox(kind="b2b"))
    assert (await client.post(SEED, content=plan)).status_code == 200
    ada = "/b2b/organizations/acme/members/ada"
    assert await granted(client, ada) == {CALENDAR: "openid"}


async def test_generated_apps_are_the_same_each_time(connect: Connect) -> None:
    one, two = [await connect(create_sandbox()) for _ in range(2)]
    for client in (one, two):
        await client.post(SEED, json={"generated_apps": 30})
    secret = {"client_secret_last_four"}
    listed = [
        [{name: app[name] for name in app.keys() - secret} for app in await found_apps(client)]
        for client in (one, two)
    ]
    assert listed[0] == listed[1]


async def test_generated_apps_differ_and_would_be_accepted_by_create(
    connect: Connect,
) -> None:
    generated, client = [await connect(create_sandbox()) for _ in range(2)]
    await generated.post(SEED, json={"generated_apps": 20})
    apps = await found_apps(generated)
    fields = ("client_type", "client_name", "client_description", "redirect_urls")
    for app in apps:
        response = await client.post(CLIENTS, json={field: app[field] for field in fields})
        assert response.status_code == 200
    assert len({app["client_name"] for app in apps}) == 20
    assert {len(app["redirect_urls"]) for app in apps} == {1, 2, 3}
    assert len({app["client_type"] for app in apps}) == 4


async def test_generated_apps_are_added_to_existing_ones(connect: Connect) -> None:
    client = await connect(create_sandbox())
    await client.post(SEED, json={"generated_apps": 5})
    few = [app["client_id"] for app in await found_apps(client)]
    await client.post(SEED, json={"generated_apps": 8})
    many = [app["client_id"] for app in await found_apps(client)]
    assert (len(many), many[:5]) == (8, few)


async def test_every_generated_app_is_on_one_page(connect: Connect) -> None:
    client = await connect(create_sandbox())
    await client.post(SEED, json={"generated_apps": 2500})
    found: set[str] = set()
    cursor: str | None = ""
    sizes = []
    while cursor is not None:
        body = {"cursor": cursor, "limit": 1000}
        page = (await client.post(f"{CLIENTS}/search", json=body)).json()
        cursor = page["results_metadata"]["next_cursor"]
        found |= {app["client_id"] for app in page["connected_apps"]}
        sizes.append(len(page["connected_apps"]))
    assert (sizes, len(found)) == ([1000, 1000, 500], 2500)


def test_a_page_is_read_in_order_and_not_sorted() -> None:
    """Sorting would read the whole project again for every page."""
    project = create_sandbox().state.project
    statements: list[str] = []
    with project.database.transaction() as connection:
        connection.set_trace_callback(statements.append)
    project.apps.page(7, 1)
    (page,) = [statement for statement in statements if "LIMIT" in statement]
    with project.database.transaction() as connection:
        (step,) = connection.execute(f"EXPLAIN QUERY PLAN {page}").fetchall()
    assert step[-1] == "SEARCH app USING INDEX app_by_project (project_id=? AND rowid>?)"


SEED_IN_ANOTHER_PROCESS = """
import sys
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_mcp.sandbox.handlers.seeding import seed
seed(create_sandbox(kind="b2b", database=sys.argv[1]), Seed.model_validate_json(sys.argv[2]))
"""


async def test_grants_outlive_the_process_that_made_them(connect: Connect, tmp_path: Path) -> None:
    database = tmp_path / "sandbox.sqlite3"
    command = [sys.executable, "-W", "error", "-c", SEED_IN_ANOTHER_PROCESS]
    process = await asyncio.create_subprocess_exec(
        *command, str(database), json.dumps(PLANS["b2b"])
    )
    assert await process.wait() == 0
    client = await connect(create_sandbox(kind="b2b", database=database))
    member = f"/b2b/organizations/acme/members/{GRACE}"
    assert await granted(client, member) == {CALENDAR: "openid", NOTES: "openid offline_access"}
    await client.post(f"{member}/connected_apps/{NOTES}/revoke")
    again = await connect(create_sandbox(kind="b2b", database=database))
    assert await granted(again, member) == {CALENDAR: "openid"}


async def test_two_projects_on_one_file_do_not_see_each_others_users(
    connect: Connect, tmp_path: Path
) -> None:
    database = tmp_path / "sandbox.sqlite3"
    seeded("consumer", database=database)
    other = SandboxCredentials("project-test-other", "secret-test-other")
    stranger = await connect(create_sandbox(other, database=database), other)
    response = await stranger.get("/users/ada/connected_apps")
    assert response.json()["error_type"] == "user_not_found"
    await stranger.post(SEED, json=PLANS["consumer"])
    assert len(await granted(stranger, "/users/ada")) == 2


OLD_SCHEMA = """
CREATE TABLE IF NOT EXISTS app (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    document TEXT NOT NULL,
    secret_hash BLOB,
    next_secret_hash BLOB,
    UNIQUE (project_id, client_id)
)
"""
"""What the version before grants made of a new file."""


async def test_a_file_of_the_version_before_grants_still_works(
    connect: Connect, tmp_path: Path
) -> None:
    database = tmp_path / "sandbox.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.execute(OLD_SCHEMA)
        connection.execute(
            "INSERT INTO app (project_id, client_id, document) VALUES (?, ?, ?)",
            (
                "project-test-00000000-0000-0000-0000-000000000000",
                CALENDAR,
                json.dumps({"client_id": CALENDAR, "client_type": "first_party_public"}),
            ),
        )
    connection.close()
    client = await connect(create_sandbox(database=database))
    assert [app["client_id"] for app in await found_apps(client)] == [CALENDAR]
    grants = [{"client_id": CALENDAR, "scopes": ["openid"]}]
    await client.post(SEED, json={"users": [{"external_id": "ada", "grants": grants}]})
    assert await granted(client, "/users/ada") == {CALENDAR: "openid"}
    await client.delete(f"{CLIENTS}/{CALENDAR}")
    assert await granted(client, "/users/ada") == {}
