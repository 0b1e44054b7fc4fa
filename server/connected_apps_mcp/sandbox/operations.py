"""What the sandbox can do: a function for each operation, and the one table of them all.

The table drives both the routes and the description at `/openapi.json`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from connected_apps_mcp.sandbox.call import Call, Operation
from connected_apps_mcp.sandbox.client_secrets import secret_matches
from connected_apps_mcp.sandbox.control import clear_faults, reset, set_faults
from connected_apps_mcp.sandbox.cursor import decode_cursor, encode_cursor
from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.faults import FaultsReply, FaultsRequest
from connected_apps_mcp.sandbox.grants import (
    member_apps,
    member_revoke,
    organization_app,
    organization_apps,
    user_apps,
    user_revoke,
)
from connected_apps_mcp.sandbox.models import (
    AppReply,
    ConnectedApp,
    ConnectedAppWithClientSecret,
    ConnectedAppWithNextClientSecret,
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
    ResultsMetadata,
    RotateStartReply,
    SearchReply,
    SearchRequest,
    UpdateRequest,
    is_public,
)
from connected_apps_mcp.sandbox.seed import MAX_SEED_BYTES, Seed, SeedReply
from connected_apps_mcp.sandbox.seeding import seed_project
from connected_apps_mcp.sandbox.store import Record
from connected_apps_mcp.sandbox.validation import check_app


def create(call: Call[CreateRequest]) -> CreateReply:
    """Create an app; a confidential one gets a secret. Duplicate names are allowed (INFERRED)."""
    app = ConnectedApp(
        client_id=call.project.environment.new_id("connected-app"),
        **call.body.model_dump(exclude_unset=True),
    )
    check_app(app, call.project.environment)
    record, secret = Record.new(app)
    call.project.apps.add(record)
    shown = record.app.model_dump(exclude={"creation_method"})
    return CreateReply(connected_app=ConnectedAppWithClientSecret(**shown, client_secret=secret))


def get(call: Call[EmptyRequest]) -> AppReply:
    """Return one app."""
    return AppReply(connected_app=call.project.apps.get(call.path["client_id"]).app)


def update(call: Call[UpdateRequest]) -> AppReply:
    """Change the settings that the body names, all or none of them."""
    settings = call.body.model_dump(exclude_unset=True)

    def change(record: Record) -> Record:
        app = record.app.model_copy(update=settings)
        check_app(app, call.project.environment)
        return replace(record, app=app)

    return AppReply(connected_app=call.project.apps.change(call.path["client_id"], change))


def delete(call: Call[EmptyRequest]) -> DeleteReply:
    """Delete an app; a second time it is not found (INFERRED)."""
    call.project.apps.delete(call.path["client_id"])
    return DeleteReply(client_id=call.path["client_id"])


def search(call: Call[SearchRequest]) -> SearchReply:
    """Return one page in the order of creation (UNKNOWN-choice)."""
    page = call.project.apps.page(decode_cursor(call.body.cursor), call.body.limit)
    after = page.next_position
    return SearchReply(
        connected_apps=page.apps,
        results_metadata=ResultsMetadata(
            total=page.total,
            next_cursor=None if after is None else encode_cursor(after),
        ),
    )


def rotate_start(call: Call[EmptyRequest]) -> RotateStartReply:
    """Give the app a second secret; from now on both work."""
    secret = ""

    def change(record: Record) -> Record:
        nonlocal secret
        if is_public(record.app.client_type):
            raise ApiError(ErrorType.PUBLIC_CONNECTED_APPS_DO_NOT_HAVE_SECRETS)
        if record.next_secret_hash:
            raise ApiError(ErrorType.CONNECTED_APP_ALREADY_ROTATING_SECRET)
        rotating, secret = record.rotating()
        return rotating

    app = call.project.apps.change(call.path["client_id"], change)
    shown = app.model_dump(exclude={"creation_method"})
    return RotateStartReply(
        connected_app=ConnectedAppWithNextClientSecret(**shown, next_client_secret=secret)
    )


def rotate(call: Call[EmptyRequest]) -> AppReply:
    """Promote the next secret; the old one is dead."""

    def change(record: Record) -> Record:
        _require_rotation(record)
        app = record.app.model_copy(
            update={
                "client_secret_last_four": record.app.next_client_secret_last_four,
                "next_client_secret_last_four": None,
            }
        )
        return Record(app, record.next_secret_hash)

    return AppReply(connected_app=call.project.apps.change(call.path["client_id"], change))


def rotate_cancel(call: Call[EmptyRequest]) -> AppReply:
    """Discard the next secret; the old one lives on."""

    def change(record: Record) -> Record:
        _require_rotation(record)
        app = record.app.model_copy(update={"next_client_secret_last_four": None})
        return Record(app, record.secret_hash)

    return AppReply(connected_app=call.project.apps.change(call.path["client_id"], change))


def _require_rotation(record: Record) -> None:
    if is_public(record.app.client_type):
        raise ApiError(ErrorType.PUBLIC_CONNECTED_APPS_DO_NOT_HAVE_SECRETS)
    if not record.next_secret_hash:
        raise ApiError(ErrorType.CONNECTED_APP_NOT_ROTATING_SECRET)


def introspect(call: Call[IntrospectRequest]) -> IntrospectReply:
    """Say that a token is not active, to a client that proves itself with a living secret."""
    try:
        record = call.project.apps.get(call.body.client_id)
    except ApiError:
        raise ApiError(ErrorType.INVALID_CLIENT) from None
    secret = call.body.client_secret.get_secret_value()
    current = secret_matches(secret, record.secret_hash)
    upcoming = secret_matches(secret, record.next_secret_hash)
    # UNKNOWN-choice: a public client has nothing to prove itself with, so its id is enough.
    if not (current or upcoming or is_public(record.app.client_type)):
        raise ApiError(ErrorType.INVALID_CLIENT)
    return IntrospectReply()


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
