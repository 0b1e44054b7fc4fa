"""The spans and metrics of the requests of clients.

The SDK has spans too. They quote what a client likes to send: ids, names and texts of errors.
"""

from collections.abc import Collection
from typing import Any

from mcp import types
from mcp.server.context import CallNext, HandlerResult
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from connected_apps_mcp.egress import AnyContext

from . import metrics
from .acts import W3C, Act, Attributes, Kind, Telemetry
from .metrics import ERROR, METHOD, OPERATION, PROMPT, TOOL, TRANSPORT, VERSION

OTHER = "_OTHER"
"""What the conventions call a value that is not one of the known ones."""

METHODS = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tools/call",
        "tools/list",
    }
)
"""The methods of clients in both eras."""

TOOL_ERROR = "tool_error"
"""What the conventions call a call with an error as its result."""


def _span_name(attributes: Attributes) -> str:
    target = attributes.get(TOOL) or attributes.get(PROMPT)
    return f"{attributes[METHOD]} {target}" if target else str(attributes[METHOD])


REQUEST = Kind(_span_name, SpanKind.SERVER, metrics.OPERATIONS)
CALL = Kind(_span_name, SpanKind.SERVER, metrics.OPERATIONS, metrics.CALLS)


class Operations:
    """Middleware of a server that observes each request of a client."""

    def __init__(
        self, telemetry: Telemetry, tools: Collection[str], prompts: Collection[str]
    ) -> None:
        self._telemetry = telemetry
        self._targets = {
            "tools/call": (TOOL, frozenset(tools)),
            "prompts/get": (PROMPT, frozenset(prompts)),
        }

    async def __call__(self, ctx: AnyContext, call_next: CallNext) -> HandlerResult:
        """Handle a request, and observe it."""
        kind = CALL if ctx.method == "tools/call" else REQUEST
        with Act(self._telemetry, kind, self._attributes(ctx), _parent(ctx)) as act:
            result = await call_next(ctx)
            if _is_error(result):
                act.add({ERROR: TOOL_ERROR})
        return result

    def _attributes(self, ctx: AnyContext) -> Attributes:
        attributes: Attributes = {
            METHOD: _one_of(METHODS, ctx.method),
            VERSION: _one_of(KNOWN_PROTOCOL_VERSIONS, ctx.protocol_version),
            TRANSPORT: "tcp" if ctx.request else "pipe",
        }
        if ctx.method == "tools/call":
            attributes[OPERATION] = "execute_tool"
        if ctx.method in self._targets:
            attribute, known = self._targets[ctx.method]
            attributes[attribute] = _one_of(known, (ctx.params or {}).get("name"))
        return attributes


def _one_of(known: Collection[str], value: object) -> str:
    return value if isinstance(value, str) and value in known else OTHER


def _parent(ctx: AnyContext) -> Context:
    """The caller's context. Its trace state and its baggage are text that it likes."""
    meta: Any = ctx.meta or {}
    parent = meta.get("traceparent")
    return W3C.extract({"traceparent": parent} if isinstance(parent, str) else {}, Context())


def _is_error(result: object) -> bool:
    return isinstance(result, types.CallToolResult) and bool(result.is_error)
