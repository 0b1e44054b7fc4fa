"""The application of the console, behind all that protects it."""

from secrets import token_urlsafe

from starlette.applications import Starlette
from starlette.types import ASGIApp

from connected_apps_mcp.transports.http.guards import (
    RedactResponses,
    RequestTimeouts,
    SameOriginOnly,
)
from connected_apps_mcp.transports.http.network import SECURITY_HEADERS, SecurityHeaders

from .approvals import Waiting
from .audit_view import AuditView
from .calls import Calls
from .guards import Guards
from .routes import Console
from .session import Session

HEADERS = {
    **SECURITY_HEADERS,
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
"""Headers of every response that does not set them itself."""


class Place:
    """Where a console is: an origin of this machine, and a path that nobody can guess."""

    def __init__(self, authority: str) -> None:
        """Choose a path on this host and port."""
        self.authority = authority
        self.base = f"/{token_urlsafe(16)}/"

    @property
    def origin(self) -> str:
        """The only origin from which requests may come."""
        return f"http://{self.authority}"

    def link(self, session: Session) -> str:
        """The link that lets the person in. What is behind the # is sent to no server."""
        return f"{self.origin}{self.base}#token={session.token}"


def build_app(
    place: Place, session: Session, calls: Calls, waiting: Waiting, audit: AuditView | None
) -> ASGIApp:
    """The application, for one host and port."""
    console = Console(place.base, session, calls, waiting, audit)
    app = Starlette(routes=console.routes())
    guarded = Guards(app, place.base, place.origin, session)
    near = SameOriginOnly(guarded, [place.authority], [place.origin])
    return RedactResponses(SecurityHeaders(RequestTimeouts(near), HEADERS))
