"""The requests in flight: how many are allowed, and whether a call is among them."""

import logging
from collections import Counter

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult

from connected_apps_mcp.callers import token_caller
from connected_apps_mcp.egress import AnyContext
from connected_apps_mcp.limits import (
    MAX_CALLS,
    MAX_CALLS_OF_CALLER,
    MAX_CALLS_TOTAL,
    STREAM_METHODS,
    TOO_MANY_REQUESTS,
)
from connected_apps_tools import observing

logger = logging.getLogger(__name__)


class CallsInFlight:
    """Middleware of a server that counts tool calls in flight, and refuses too many requests.

    A request may outlive its connection, so a bound on connections does not bound requests.
    """

    def __init__(self) -> None:
        self.count = 0
        self._requests: Counter[int | str] = Counter()
        """Requests in flight, by session, and by the identity of a caller with a token."""
        self._total = 0

    async def __call__(self, ctx: AnyContext, call_next: CallNext) -> HandlerResult:
        """Count a call while it is in flight.

        Raises:
            MCPError: too many requests are in flight.
        """
        if ctx.request_id is None or ctx.method in STREAM_METHODS:
            return await call_next(ctx)
        # The connection lives as long as its requests, so its id is unique among them.
        bounds: dict[int | str, int] = {id(ctx.session._connection): MAX_CALLS}
        if caller := token_caller():
            bounds[caller.identity] = MAX_CALLS_OF_CALLER
        full = any(self._requests[owner] >= bound for owner, bound in bounds.items())
        if full or self._total >= MAX_CALLS_TOTAL:
            observing.event("refusal", rule="too many requests")
            logger.warning("Refused a request: %d are in flight.", self._total)
            raise MCPError(
                TOO_MANY_REQUESTS, "Too many requests are in flight. Wait for a response first."
            )
        is_call = ctx.method == "tools/call"
        self.count += is_call
        self._requests.update(bounds.keys())
        self._total += 1
        try:
            return await call_next(ctx)
        finally:
            self.count -= is_call
            self._total -= 1
            for owner in bounds:
                self._requests[owner] -= 1
                if not self._requests[owner]:
                    del self._requests[owner]
