"""Every error in one form, whatever went wrong."""

import logging
import traceback
from typing import Any

from mcp import MCPError, types
from pydantic_core import to_json

from connected_apps_mcp.limits import TOO_MANY_REQUESTS
from connected_apps_tools import Tool
from connected_apps_tools.context import ServerInfo
from connected_apps_tools.errors import (
    ConnectedAppsError,
    InvalidRequest,
    NotConfirmed,
    NotFound,
    PolicyRefusal,
    ServiceError,
    TooManyCalls,
)

logger = logging.getLogger(__name__)


def as_failure(tool: Tool[Any, Any], error: Exception, *, sent: bool) -> ConnectedAppsError:
    """An error as a model may read it: an unexpected one without its text, which may hold anything.

    `sent` says whether a request that changes something may have been sent.
    """
    if isinstance(error, ConnectedAppsError):
        return error
    # The frames hold source lines only.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s failed with %s:\n%s", tool.name, type(error).__name__, frames)
    failure = ConnectedAppsError("The server failed in an unexpected way; its log says where.")
    failure.may_have_taken_effect = sent and tool.effect.changes
    return failure


def error_name(error: ConnectedAppsError) -> str | None:
    """The service's name for an error, else ours."""
    return error.error_type if isinstance(error, ServiceError) else type(error).__name__


def broken_rules(error: ConnectedAppsError) -> frozenset[str]:
    """The rules by which a call was refused; none if the service refused it."""
    match error:
        case PolicyRefusal() if error.rules:
            return frozenset(f"policy {rule}" for rule in error.rules)
        case InvalidRequest() | NotConfirmed() | TooManyCalls():
            return frozenset({type(error).__name__})
    return frozenset()


def error_fields(error: ConnectedAppsError, server: ServerInfo) -> dict[str, Any]:
    """An error as a client reads it. Its hint says which of the tools it names are off, and why."""
    fields = {
        "error": error_name(error),
        "message": str(error),
        "hint": error.hint and server.advice(error.hint),
        "retry_may_help": error.transient,
        "may_have_taken_effect": error.may_have_taken_effect or None,
        "retry_after": getattr(error, "retry_after", None),
        "status": getattr(error, "status", None),
        "request_id": getattr(error, "request_id", None),
        "untrusted": ["message"] if error.quotes else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def error_result(error: ConnectedAppsError, server: ServerInfo) -> types.CallToolResult:
    """The same as the result of a tool."""
    return types.CallToolResult(content=[as_text(error_fields(error, server))], is_error=True)


def as_text(value: dict[str, Any]) -> types.TextContent:
    """A value as a model reads it."""
    return types.TextContent(text=to_json(value).decode())


def protocol_error(error: ConnectedAppsError, server: ServerInfo, **more: str) -> MCPError:
    """The same as a JSON-RPC error, for requests that call no tool, with `more` as data."""
    fields = error_fields(error, server) | more
    return MCPError(
        code=_code(error),
        message=" ".join(filter(None, [str(error), fields.get("hint")])),
        data=fields,
    )


def _code(error: ConnectedAppsError) -> int:
    if isinstance(error, TooManyCalls):
        return TOO_MANY_REQUESTS
    theirs = isinstance(error, InvalidRequest | NotFound)
    return types.INVALID_PARAMS if theirs else types.INTERNAL_ERROR
