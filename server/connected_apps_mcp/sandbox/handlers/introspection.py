"""The introspection of tokens, which shows whether a client secret works."""

from __future__ import annotations

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import (
    IntrospectReply,
    IntrospectRequest,
    is_public,
)
from connected_apps_mcp.sandbox.state.client_secrets import secret_matches

from .call import Call


def introspect(call: Call[IntrospectRequest]) -> IntrospectReply:
    """Report a token as inactive, to a client that authenticates with a valid secret."""
    try:
        record = call.project.apps.get(call.body.client_id)
    except ApiError:
        raise ApiError(ErrorType.INVALID_CLIENT) from None
    secret = call.body.client_secret.get_secret_value()
    current = secret_matches(secret, record.secret_hash)
    upcoming = secret_matches(secret, record.next_secret_hash)
    # UNKNOWN-choice: a public client has no secret, so its id is enough.
    if not (current or upcoming or is_public(record.app.client_type)):
        raise ApiError(ErrorType.INVALID_CLIENT)
    return IntrospectReply()
