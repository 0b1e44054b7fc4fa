"""The one form in which every error is told."""

from typing import Any

from mcp import MCPError, types

from connected_apps_tools.context import ServerInfo
from connected_apps_tools.errors import ConnectedAppsError, InvalidRequest, NotFound, ServiceError


def error_name(error: ConnectedAppsError) -> str | None:
    """The service's name for an error, else ours."""
    return error.error_type if isinstance(error, ServiceError) else type(error).__name__


def error_fields(error: ConnectedAppsError, about: ServerInfo) -> dict[str, Any]:
    """What a client is told of an error. The hint says which tools in it are off, and why."""
    fields = {
        "error": error_name(error),
        "message": str(error),
        "hint": error.hint and about.advice(error.hint),
        "retry_may_help": error.transient,
        "may_have_taken_effect": error.may_have_taken_effect or None,
        "status": getattr(error, "status", None),
        "request_id": getattr(error, "request_id", None),
        "untrusted": ["message"] if error.quotes else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def protocol_error(error: ConnectedAppsError, about: ServerInfo, **more: str) -> MCPError:
    """The same as a JSON-RPC error, for whatever is no call of a tool, with `more` as data."""
    told = error_fields(error, about) | more
    theirs = isinstance(error, InvalidRequest | NotFound)
    return MCPError(
        code=types.INVALID_PARAMS if theirs else types.INTERNAL_ERROR,
        message=" ".join(filter(None, [str(error), told.get("hint")])),
        data=told,
    )
