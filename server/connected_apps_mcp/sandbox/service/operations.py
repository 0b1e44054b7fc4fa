"""The table of all operations. It drives both the routes and the description at `/openapi.json`."""

from __future__ import annotations

from typing import Any

from connected_apps_mcp.sandbox.handlers.apps import (
    create,
    delete,
    get,
    rotate,
    rotate_cancel,
    rotate_start,
    search,
    update,
)
from connected_apps_mcp.sandbox.handlers.call import Operation
from connected_apps_mcp.sandbox.handlers.control import clear_faults, reset, set_faults
from connected_apps_mcp.sandbox.handlers.grants import (
    member_apps,
    member_revoke,
    organization_app,
    organization_apps,
    user_apps,
    user_revoke,
)
from connected_apps_mcp.sandbox.handlers.introspection import introspect
from connected_apps_mcp.sandbox.handlers.seeding import seed_project
from connected_apps_mcp.sandbox.models import (
    AppReply,
    CreateReply,
    CreateRequest,
    DeleteReply,
    EmptyRequest,
    GrantedAppsReply,
    InstalledAppReply,
    InstalledAppsReply,
    IntrospectReply,
    IntrospectRequest,
    Reply,
    RotateStartReply,
    SearchReply,
    SearchRequest,
    UpdateRequest,
)
from connected_apps_mcp.sandbox.seeds.seed import MAX_SEED_BYTES, Seed, SeedReply
from connected_apps_mcp.sandbox.state.faults import FaultsReply, FaultsRequest

CLIENTS = "/v1/connected_apps/clients"
CLIENT = f"{CLIENTS}/{{client_id}}"
ROTATE = f"{CLIENT}/secrets/rotate"
USER = "/v1/users/{user_id}/connected_apps"
ORGANIZATION = "/v1/b2b/organizations/{organization_id}"
INSTALLED = f"{ORGANIZATION}/connected_apps"
MEMBER = f"{ORGANIZATION}/members/{{member_id}}/connected_apps"
REVOKE = "{connected_app_id}/revoke"

OPERATIONS: tuple[Operation[Any], ...] = (
    Operation("create", "POST", CLIENTS, CreateRequest, CreateReply, create),
    # Before the rows of one client, whose path would take "search" for an id.
    Operation("search", "POST", f"{CLIENTS}/search", SearchRequest, SearchReply, search),
    Operation("get", "GET", CLIENT, EmptyRequest, AppReply, get),
    Operation("update", "PUT", CLIENT, UpdateRequest, AppReply, update),
    Operation("delete", "DELETE", CLIENT, EmptyRequest, DeleteReply, delete),
    Operation(
        "rotate_start", "POST", f"{ROTATE}/start", EmptyRequest, RotateStartReply, rotate_start
    ),
    Operation("rotate", "POST", ROTATE, EmptyRequest, AppReply, rotate),
    Operation("rotate_cancel", "POST", f"{ROTATE}/cancel", EmptyRequest, AppReply, rotate_cancel),
    Operation("user_apps", "GET", USER, EmptyRequest, GrantedAppsReply, user_apps, only="consumer"),
    Operation(
        "user_revoke", "POST", f"{USER}/{REVOKE}", EmptyRequest, Reply, user_revoke, only="consumer"
    ),
    Operation(
        "organization_apps",
        "GET",
        INSTALLED,
        EmptyRequest,
        InstalledAppsReply,
        organization_apps,
        only="b2b",
    ),
    Operation(
        "organization_app",
        "GET",
        f"{INSTALLED}/{{connected_app_id}}",
        EmptyRequest,
        InstalledAppReply,
        organization_app,
        only="b2b",
    ),
    Operation(
        "member_apps", "GET", MEMBER, EmptyRequest, GrantedAppsReply, member_apps, only="b2b"
    ),
    Operation(
        "member_revoke",
        "POST",
        f"{MEMBER}/{REVOKE}",
        EmptyRequest,
        Reply,
        member_revoke,
        only="b2b",
    ),
    Operation(
        "introspect",
        "POST",
        "/v1/oauth2/introspect",
        IntrospectRequest,
        IntrospectReply,
        introspect,
        oauth=True,
    ),
    # The sandbox's own, outside of the service's paths.
    Operation(
        "seed",
        "POST",
        "/sandbox/seed",
        Seed,
        SeedReply,
        seed_project,
        control=True,
        max_body_bytes=MAX_SEED_BYTES,
    ),
    Operation("reset", "POST", "/sandbox/reset", EmptyRequest, Reply, reset, control=True),
    Operation(
        "set_faults", "PUT", "/sandbox/faults", FaultsRequest, FaultsReply, set_faults, control=True
    ),
    Operation(
        "clear_faults", "DELETE", "/sandbox/faults", EmptyRequest, Reply, clear_faults, control=True
    ),
)

OPERATION_NAMES = frozenset(each.name for each in OPERATIONS if not each.control)
"""The operations of the service, which faults may name."""
