"""What servers share while they serve, beside what is stored: the counts of calls, and events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from mcp.server.subscriptions import SubscriptionBus

from connected_apps_mcp.protocol.rate_limits import Limit, Rate
from connected_apps_mcp.settings.settings import Settings
from connected_apps_tools.storage.records import SharedState


class Shared(NamedTuple):
    """The limits of callers, and the bus of events; None for that of this process alone."""

    reads: Limit
    changes: Limit
    bus: SubscriptionBus | None = None


@asynccontextmanager
async def shared_by_servers(settings: Settings, state: SharedState) -> AsyncIterator[Shared]:
    """Share them through the database, if there is one."""
    reads, changes = Rate(settings.rate_reads), Rate(settings.rate_changes)
    if settings.shared_database is None:
        yield Shared(reads, changes)
        return
    from connected_apps_mcp.protocol.shared_events import shared_events
    from connected_apps_mcp.protocol.shared_rates import SharedRate
    from connected_apps_tools.storage.postgres.state import DatabaseState

    if not isinstance(state, DatabaseState):
        raise AssertionError("the state is not in the database")
    async with shared_events(state.database) as bus:
        yield Shared(
            SharedRate(reads, state.database, "reads"),
            SharedRate(changes, state.database, "changes"),
            bus,
        )
