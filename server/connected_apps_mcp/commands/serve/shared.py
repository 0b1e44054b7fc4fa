"""What servers share while they serve, beside what is stored: the counts of calls, and events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from mcp.server.subscriptions import SubscriptionBus

from connected_apps_mcp.protocol.access.rate_limits import Limit, Rate
from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.wiring import database_of
from connected_apps_tools import ToolContext


class Shared(NamedTuple):
    """The limits of callers, and the bus of events; None for that of this process alone."""

    reads: Limit
    changes: Limit
    bus: SubscriptionBus | None = None


@asynccontextmanager
async def shared_by_servers(settings: Settings, project: ToolContext) -> AsyncIterator[Shared]:
    """Share them through the database, if there is one."""
    reads, changes = Rate(settings.rate_reads), Rate(settings.rate_changes)
    if settings.shared_database is None:
        yield Shared(reads, changes)
        return
    from connected_apps_mcp.protocol.access.shared_rates import SharedRate
    from connected_apps_mcp.protocol.resources.shared_events import shared_events

    database, name = database_of(project.state), project.api.project_id
    async with shared_events(database) as bus:
        yield Shared(
            SharedRate(reads, database, f"{name} reads"),
            SharedRate(changes, database, f"{name} changes"),
            bus,
        )
