"""The operations on apps and their secrets."""

from __future__ import annotations

from dataclasses import replace

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
    ResultsMetadata,
    RotateStartReply,
    SearchReply,
    SearchRequest,
    UpdateRequest,
    is_public,
)
from connected_apps_mcp.sandbox.state.store import AppRecord

from .call import Call
from .cursor import decode_cursor, encode_cursor
from .validation import check_app


def create(call: Call[CreateRequest]) -> CreateReply:
    """Create an app; a confidential one gets a secret. Duplicate names are allowed (INFERRED)."""
    app = ConnectedApp(
        client_id=call.project.environment.new_id("connected-app"),
        **call.body.model_dump(exclude_unset=True),
    )
    check_app(app, call.project.environment)
    record, secret = AppRecord.new(app)
    call.project.apps.add(record)
    shown = record.app.model_dump(exclude={"creation_method"})
    return CreateReply(connected_app=ConnectedAppWithClientSecret(**shown, client_secret=secret))


def get(call: Call[EmptyRequest]) -> AppReply:
    """Return one app."""
    return AppReply(connected_app=call.project.apps.get(call.path["client_id"]).app)


def update(call: Call[UpdateRequest]) -> AppReply:
    """Change the fields in the body, all or none of them."""
    settings = call.body.model_dump(exclude_unset=True)

    def change(record: AppRecord) -> AppRecord:
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

    def change(record: AppRecord) -> AppRecord:
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
    """Promote the next secret; the old one stops working."""

    def change(record: AppRecord) -> AppRecord:
        _require_rotation(record)
        app = record.app.model_copy(
            update={
                "client_secret_last_four": record.app.next_client_secret_last_four,
                "next_client_secret_last_four": None,
            }
        )
        return AppRecord(app, record.next_secret_hash)

    return AppReply(connected_app=call.project.apps.change(call.path["client_id"], change))


def rotate_cancel(call: Call[EmptyRequest]) -> AppReply:
    """Discard the next secret; the old one keeps working."""

    def change(record: AppRecord) -> AppRecord:
        _require_rotation(record)
        app = record.app.model_copy(update={"next_client_secret_last_four": None})
        return AppRecord(app, record.secret_hash)

    return AppReply(connected_app=call.project.apps.change(call.path["client_id"], change))


def _require_rotation(record: AppRecord) -> None:
    if is_public(record.app.client_type):
        raise ApiError(ErrorType.PUBLIC_CONNECTED_APPS_DO_NOT_HAVE_SECRETS)
    if not record.next_secret_hash:
        raise ApiError(ErrorType.CONNECTED_APP_NOT_ROTATING_SECRET)
