"""Which scopes a request needs. A request beyond the scopes of its caller is refused."""

from collections.abc import Mapping
from typing import Any

from mcp import MCPError, types
from mcp.server import apps
from mcp.server.context import CallNext, HandlerResult

from connected_apps_mcp.audit import AuditLog, RecordedCall
from connected_apps_mcp.callers import Caller, current_caller
from connected_apps_mcp.egress import AnyContext
from connected_apps_tools import Tool, observing
from connected_apps_tools.api.models import Request
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.scopes import Scope

READ_APPS: frozenset[Scope] = frozenset({Scope.APPS_READ})

READING_METHODS = {
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "completion/complete",
}
"""Methods besides calls of tools that show apps, or tell that one has changed."""

REASON = "insufficient_scope"

TOKEN = "The access token lacks a scope for this request."  # noqa: S105 - a sentence
POLICY = "The policy does not allow this request to this caller."


class Authorization:
    """Knows the scopes of every request, and checks them before it is handled."""

    def __init__(
        self, tools: Mapping[str, Tool[Any, Any]], audit: AuditLog, project_id: str
    ) -> None:
        """Check requests to these tools, and record the refused ones."""
        self._tools = tools
        self._audit = audit
        self._project_id = project_id

    def needed(
        self, method: str, params: object, context: AnyContext | None = None
    ) -> frozenset[Scope]:
        """All scopes that a request needs, from any caller.

        A tool that the client does not see needs none, as if there were no such tool. What a client
        of the handshake era sees, the context of the request alone says.
        """
        match params:
            case {"name": str(name), **more} if method == "tools/call" and name in self._tools:
                tool = self._tools[name]
                if _is_seen(tool, more, context):
                    return tool.scopes(request_of(tool, more.get("arguments")))
                return frozenset()
        return READ_APPS if method in READING_METHODS else frozenset()

    async def refuse(self, caller: Caller, what: str, arguments: object, reason: str) -> None:
        """Record that a request was refused."""
        given = arguments if isinstance(arguments, dict) else {}
        await self._audit.refused(RecordedCall(what, given, self._project_id, caller), reason)

    async def refuse_request(
        self, caller: Caller, method: str, params: object, reason: str
    ) -> None:
        """Record that a request was refused, under its tool, or else under its method."""
        observing.event("refusal", rule=REASON)
        match params:
            case {"name": str(tool), **more} if method == "tools/call":
                await self.refuse(caller, tool, more.get("arguments"), reason)
            case _:  # a name would be what the caller likes
                await self.refuse(caller, method, None, reason)

    async def __call__(self, ctx: AnyContext, call_next: CallNext) -> HandlerResult:
        """Handle a request, as middleware of the server.

        Over HTTP it was checked before: this is the check that no way in can miss.

        Raises:
            MCPError: the caller lacks a scope.
        """
        caller = current_caller()
        if caller.scopes is None:
            return await call_next(ctx)
        lacking = caller.lacks(self.needed(ctx.method, ctx.params, ctx))
        if not lacking:
            return await call_next(ctx)
        why = TOKEN if lacking <= caller.reachable else POLICY
        await self.refuse_request(caller, ctx.method, ctx.params, why)
        raise MCPError(types.INVALID_REQUEST, why)


def _is_seen(
    tool: Tool[Any, Any], params: Mapping[Any, object], context: AnyContext | None
) -> bool:
    """Whether the client of a request over HTTP sees a tool."""
    if tool.listed_to != "page":
        return tool.listed_to == "everybody"
    match params:
        case {
            "_meta": {
                types.CLIENT_CAPABILITIES_META_KEY: {
                    "extensions": {apps.EXTENSION_ID: {"mimeTypes": list(shown)}}
                }
            }
        }:
            return apps.APP_MIME_TYPE in shown
    return context is not None and apps.client_supports_apps(context)


def request_of(tool: Tool[Any, Any], arguments: object) -> Request | None:
    """The request of a call; None if it is invalid: the call will be refused."""
    try:
        request: Request = tool.read(arguments if isinstance(arguments, dict) else {})
    except InvalidRequest:
        return None
    return request
