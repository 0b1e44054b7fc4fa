"""The table of all operations, for the routes and the description at `/openapi.json`."""

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
from connected_apps_mcp.sandbox.handlers.call import SandboxOperation
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

OPERATIONS: tuple[SandboxOperation[Any], ...] = (
    SandboxOperation("create", "POST", CLIENTS, CreateRequest, CreateReply, create),
    # Before the rows of one client: their path would match "search" as an id.
    SandboxOperation("search", "POST", f"{CLIENTS}/search", SearchRequest, SearchReply, search),
    SandboxOperation("get", "GET", CLIENT, EmptyRequest, AppReply, get),
    SandboxOperation("update", "PUT", CLIENT, UpdateRequest, AppReply, update),
    SandboxOperation("delete", "DELETE", CLIENT, EmptyRequest, DeleteReply, delete),
    SandboxOperation(
        "rotate_start", "POST", f"{ROTATE}/start", EmptyRequest, RotateStartReply, rotate_start
    ),
    SandboxOperation("rotate", "POST", ROTATE, EmptyRequest, AppReply, rotate),
    SandboxOperation(
        "rotate_cancel", "POST", f"{ROTATE}/cancel", EmptyRequest, AppReply, rotate_cancel
    ),
    SandboxOperation(
        "user_apps", "GET", USER, EmptyRequest, GrantedAppsReply, user_apps, only="consumer"
    ),
    SandboxOperation(
        "user_revoke", "POST", f"{USER}/{REVOKE}", EmptyRequest, Reply, user_revoke, only="consumer"
    ),
    SandboxOperation(
        "organization_apps",
        "GET",
        INSTALLED,
        EmptyRequest,
        InstalledAppsReply,
        organization_apps,
        only="b2b",
    ),
    SandboxOperation(
        "organization_app",
        "GET",
        f"{INSTALLED}/{{connected_app_id}}",
        EmptyRequest,
        InstalledAppReply,
        organization_app,
        only="b2b",
    ),
    SandboxOperation(
        "member_apps", "GET", MEMBER, EmptyRequest, GrantedAppsReply, member_apps, only="b2b"
    ),
    SandboxOperation(
        "member_revoke",
        "POST",
        f"{MEMBER}/{REVOKE}",
        EmptyRequest,
        Reply,
        member_revoke,
        only="b2b",
    ),
    SandboxOperation(
        "introspect",
        "POST",
        "/v1/oauth2/introspect",
        IntrospectRequest,
        IntrospectReply,
        introspect,
        oauth=True,
    ),
    # The sandbox's own operations, outside the service's paths.
    SandboxOperation(
        "seed",
        "POST",
        "/sandbox/seed",
        Seed,
        SeedReply,
        seed_project,
        control=True,
        max_body_bytes=MAX_SEED_BYTES,
    ),
    SandboxOperation("reset", "POST", "/sandbox/reset", EmptyRequest, Reply, reset, control=True),
    SandboxOperation(
        "set_faults", "PUT", "/sandbox/faults", FaultsRequest, FaultsReply, set_faults, control=True
    ),
    SandboxOperation(
        "clear_faults", "DELETE", "/sandbox/faults", EmptyRequest, Reply, clear_faults, control=True
    ),
)

OPERATION_NAMES = frozenset(each.name for each in OPERATIONS if not each.control)
"""The operations of the service, for faults."""
