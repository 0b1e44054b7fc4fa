"""What serves clients, over any transport."""

from dataclasses import dataclass

from starlette.applications import Starlette

from connected_apps_mcp.protocol.access.authorization import Authorization
from connected_apps_mcp.protocol.server import AnyServer
from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.transports.readiness import Readiness
from connected_apps_mcp.transports.shutdown import ShutdownSignals
from connected_apps_tools.selection import OfferedTools


@dataclass(frozen=True)
class Service:
    """What serves clients, over any transport.

    Attributes:
        authorization: checks the scopes of callers; None where callers have none.
        issuer: the sandbox that issues their tokens, if one does.
        readiness: whether more requests should come.
    """

    settings: Settings
    signals: ShutdownSignals
    offer: OfferedTools
    server: AnyServer
    authorization: Authorization | None
    issuer: Starlette | None
    readiness: Readiness
