"""What the sandbox can do: a function for each operation, and the one table of them all.

The table drives both the routes and the description at `/openapi.json`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from connected_apps_mcp.sandbox.client_secrets import (
    hash_secret,
    last_four,
    new_client_secret,
    secret_matches,
)
from connected_apps_mcp.sandbox.credentials import Environment
from connected_apps_mcp.sandbox.cursor import decode_cursor, encode_cursor
from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import (
    AppReply,
    ConnectedApp,
    ConnectedAppWithClientSecret,
    ConnectedAppWithNextClientSecret,
    CreateReply,
    CreateRequest,
    DeleteReply,
    EmptyRequest,
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
from connected_apps_mcp.sandbox.store import Record, Store
from connected_apps_mcp.sandbox.validation import check_app

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Call(Generic[Body]):
    """One authenticated call with a body of the right shape; `client_id` is "" without one."""

    store: Store
    environment: Environment
    body: Body
    client_id: str


@dataclass(frozen=True)
class Operation(Generic[Body]):
    """One row of the table. An OAuth operation takes a form and the client's own credentials."""

    name: str
    method: str
    path: str
    body: type[Body]
    reply: type[Reply]
    handle: Callable[[Call[Body]], Reply]
    oauth: bool = False


def create(call: Call[CreateRequest]) -> CreateReply:
    """Create an app; a confidential one gets a secret. Duplicate names are allowed (INFERRED)."""
    app = ConnectedApp(
        client_id=call.environment.new_id("connected-app"),
        **call.body.model_dump(exclude_unset=True),
    )
    check_app(app, call.environment)
    if is_public(app.client_type):
        secret, record = None, Record(app)
    else:
        secret = new_client_secret()
        app.client_secret_last_four = last_four(secret)
        record = Record(app, hash_secret(secret))
    call.store.add(record)
    shown = app.model_dump(exclude={"creation_method"})
    return CreateReply(connected_app=ConnectedAppWithClientSecret(**shown, client_secret=secret))


def get(call: Call[EmptyRequest]) -> AppReply:
    """Return one app."""
    return AppReply(connected_app=call.store.get(call.client_id).app)


def update(call: Call[UpdateRequest]) -> AppReply:
    """Change the settings that the body names, all or none of them."""
    settings = call.body.model_dump(exclude_unset=True)

    def change(record: Record) -> Record:
        app = record.app.model_copy(update=settings)
        check_app(app, call.environment)
        return replace(record, app=app)

    return AppReply(connected_app=call.store.change(call.client_id, change))


def delete(call: Call[EmptyRequest]) -> DeleteReply:
    """Delete an app; a second time it is not found (INFERRED)."""
    call.store.delete(call.client_id)
    return DeleteReply(client_id=call.client_id)


def search(call: Call[SearchRequest]) -> SearchReply:
    """Return one page in the order of creation (UNKNOWN-choice)."""
    page = call.store.page(decode_cursor(call.body.cursor), call.body.limit)
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
    secret = new_client_secret()

    def change(record: Record) -> Record:
        if is_public(record.app.client_type):
            raise ApiError(ErrorType.PUBLIC_CONNECTED_APPS_DO_NOT_HAVE_SECRETS)
        if record.next_secret_hash:
            raise ApiError(ErrorType.CONNECTED_APP_ALREADY_ROTATING_SECRET)
        app = record.app.model_copy(update={"next_client_secret_last_four": last_four(secret)})
        return replace(record, app=app, next_secret_hash=hash_secret(secret))

    app = call.store.change(call.client_id, change)
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

    return AppReply(connected_app=call.store.change(call.client_id, change))


def rotate_cancel(call: Call[EmptyRequest]) -> AppReply:
    """Discard the next secret; the old one lives on."""

    def change(record: Record) -> Record:
        _require_rotation(record)
        app = record.app.model_copy(update={"next_client_secret_last_four": None})
        return Record(app, record.secret_hash)

    return AppReply(connected_app=call.store.change(call.client_id, change))


def _require_rotation(record: Record) -> None:
    if is_public(record.app.client_type):
        raise ApiError(ErrorType.PUBLIC_CONNECTED_APPS_DO_NOT_HAVE_SECRETS)
    if not record.next_secret_hash:
        raise ApiError(ErrorType.CONNECTED_APP_NOT_ROTATING_SECRET)


def introspect(call: Call[IntrospectRequest]) -> IntrospectReply:
    """Say that a token is not active, to a client that proves itself with a living secret."""
    try:
        record = call.store.get(call.body.client_id)
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
    Operation(
        "introspect",
        "POST",
        "/v1/oauth2/introspect",
        IntrospectRequest,
        IntrospectReply,
        introspect,
        oauth=True,
    ),
)
