"""How many calls each caller may make. A request beyond that is refused, and says when to try."""

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import anyio
from mcp.server.context import CallNext, HandlerResult

from connected_apps_mcp.callers import Caller, current_caller
from connected_apps_mcp.egress import AnyContext
from connected_apps_mcp.limits import MAX_RATED_CALLERS, REFUSAL_SECONDS
from connected_apps_mcp.protocol.error_results import error_result, protocol_error
from connected_apps_tools import Effect, Tool, observing
from connected_apps_tools.api.fair_share import share_key
from connected_apps_tools.context import ServerInfo
from connected_apps_tools.errors import ConnectedAppsError, TooManyCalls
from connected_apps_tools.storage.errors import StoreError

from .authorization import request_of

MIN_BURST = 10
"""The fewest calls that a caller may make at once."""

MINUTE = 60_000_000_000
SECOND = 1_000_000_000

METHODS = ("resources/", "completion/complete", "subscriptions/listen")
"""Methods that count as reads, besides calls of tools."""

ABOUT = ServerInfo()
"""For errors, which name no tool."""

REASON = "rate_limit"

Clock = Callable[[], int]
"""Nanoseconds: whole numbers, so that no rounding takes a call away."""

Refuse = Callable[[Caller, str, object, str], Awaitable[None]]
"""Records that a call was refused."""


class NotCounted(ConnectedAppsError):
    """Calls cannot be counted for all servers, so a change is refused."""

    transient = True
    hint = "Nothing was sent. Reading goes on. Try again in a moment."


class Limit(Protocol):
    """A limit of the calls of each caller."""

    async def count(self, caller: str) -> int:
        """Count a call if there is room for it, and return 0; else the seconds until there is.

        Raises:
            StoreError: it cannot be counted for all servers.
        """
        ...


class Rate:
    """At most so many calls a minute of each caller, with room for a burst: a token bucket.

    0 calls a minute means that there is no limit.
    """

    def __init__(self, per_minute: int, clock: Clock = time.monotonic_ns) -> None:
        self.each = MINUTE // per_minute if per_minute else 0
        self.burst = max(MIN_BURST, per_minute // 10) * self.each
        self._clock = clock
        self._full_at: OrderedDict[str, int] = OrderedDict()
        """When the bucket of a caller is full again. The caller that called last is last."""

    async def count(self, caller: str) -> int:
        """Count a call, of this server alone."""
        return self.take(caller)

    def take(self, caller: str) -> int:
        """Count a call if there is room for it, and return 0; else the seconds until there is."""
        if not self.each:
            return 0
        now = self._clock()
        full_at = max(now, self._full_at.get(caller, now)) + self.each
        if full_at - now > self.burst:
            return math.ceil((full_at - now - self.burst) / SECOND)
        self._full_at[caller] = full_at
        self._full_at.move_to_end(caller)
        self._drop_full(now)
        return 0

    def _drop_full(self, now: float) -> None:
        """Forget the callers that have not called for long."""
        while len(self._full_at) > MAX_RATED_CALLERS or next(iter(self._full_at.values())) <= now:
            self._full_at.popitem(last=False)


class RateLimits:
    """Middleware of a server that limits the calls of each caller, and names it to `FairShare`."""

    def __init__(
        self,
        tools: Mapping[str, Tool[Any, Any]],
        refuse: Refuse,
        *,
        reads: Limit,
        changes: Limit,
    ) -> None:
        """Limit requests to these tools, and record the refused ones that would change something.

        Args:
            tools: the tools that are on, by name.
            refuse: records that a call was refused.
            reads: the limit for calls that change nothing and show no secret.
            changes: the limit for all others.
        """
        self._tools = tools
        self._refuse = refuse
        self._reads = reads
        self._changes = changes

    async def __call__(self, ctx: AnyContext, call_next: CallNext) -> HandlerResult:
        """Handle a request within the limits, and refuse one beyond them.

        Raises:
            MCPError: the request calls no tool, and is beyond the limit.
        """
        caller = current_caller()
        params, is_call = ctx.params or {}, ctx.method == "tools/call"
        limit = self._limit_of_call(params) if is_call else self._limit_of(ctx.method)
        error = await self._refusal(limit, caller.identity) if limit else None
        if error is None:
            token = share_key.set(caller.identity)
            try:
                return await call_next(ctx)
            finally:
                share_key.reset(token)
        observing.event("refusal", rule=REASON)
        await anyio.sleep(REFUSAL_SECONDS)
        if not is_call:
            raise protocol_error(error, ABOUT)
        await self._record(caller, params)
        return error_result(error, ABOUT)

    async def _refusal(self, limit: Limit, caller: str) -> ConnectedAppsError | None:
        """Why a call is refused. Where calls cannot be counted, reads go on."""
        try:
            seconds = await limit.count(caller)
        except StoreError as error:
            return NotCounted(str(error)) if limit is self._changes else None
        return TooManyCalls(seconds) if seconds else None

    def _limit_of(self, method: str) -> Limit | None:
        return self._reads if method.startswith(METHODS) else None

    def _limit_of_call(self, params: Mapping[str, Any]) -> Limit:
        tool = self._tool(params)
        if tool is None or tool.only_reads:
            return self._reads
        if tool.effect is not Effect.READS:
            return self._changes
        request = request_of(tool, params.get("arguments"))
        return self._changes if request is not None and request.reveals else self._reads

    def _tool(self, params: Mapping[str, Any]) -> Tool[Any, Any] | None:
        name = params.get("name")
        return self._tools.get(name) if isinstance(name, str) else None

    async def _record(self, caller: Caller, params: Mapping[str, Any]) -> None:
        tool, arguments = self._tool(params), params.get("arguments")
        if tool and tool.is_recorded(request_of(tool, arguments)):
            await self._refuse(caller, tool.name, arguments, REASON)
