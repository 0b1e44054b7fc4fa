"""Keeps out every request that does not come from the page, in the browser of the person.

`SameOriginOnly` has refused foreign hosts and origins before. Cookies know no ports, so another
server of this machine could get a cookie of the whole host: the console is below a path that nobody
can guess, and the cookie is for that path only.
"""

from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .session import Session

API = "api/"
SESSION, EVENTS = f"{API}session", f"{API}events"

NOT_THE_PAGE = "Only the page of the console may ask this."
NO_SESSION = "Open the link that connected-apps-mcp console prints."


def json_response(content: Any, status: int = HTTPStatus.OK) -> Response:  # noqa: ANN401 - any JSON
    """JSON for the page."""
    # JSON has no infinite numbers: a line of the audit log that somebody added may.
    body = to_json(content, inf_nan_mode="null")
    return Response(body, status, media_type="application/json")


def failure(error: str, message: str, status: int = HTTPStatus.OK, hint: str = "") -> Response:
    """An error as the page reads it."""
    fields = {"error": error, "message": message} | ({"hint": hint} if hint else {})
    return json_response({"error": fields}, status)


class Guards:
    """Middleware that lets in the requests of the page, and those for the page itself."""

    def __init__(self, app: ASGIApp, base: str, origin: str, session: Session) -> None:
        """Guard what is below the path `base`."""
        self._app = app
        self._base = base
        self._origin = origin
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse a request."""
        if scope["type"] == "http" and scope["path"].startswith(self._base + API):
            refused = self._refusal(Request(scope))
            if refused:
                return await refused(scope, receive, send)
        return await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        path = request.scope["path"].removeprefix(self._base)
        if not self._is_of_page(request, path):
            return failure("forbidden", NOT_THE_PAGE, HTTPStatus.FORBIDDEN)
        if path == SESSION:
            return None
        if not self._session.admits(request.cookies.get(self._session.cookie_name, "")):
            return failure("session_ended", NO_SESSION, HTTPStatus.UNAUTHORIZED)
        if request.headers.get("x-person") == "1":  # the page asks for much by itself
            self._session.note_person()
        return None

    def _is_of_page(self, request: Request, path: str) -> bool:
        headers = request.headers
        return (
            headers.get("sec-fetch-site", "same-origin") == "same-origin"
            # Browsers let no page set headers of an event stream, or of requests to other origins.
            and (path == EVENTS or headers.get("x-console") == "1")
            and (request.method in {"GET", "HEAD"} or headers.get("origin") == self._origin)
        )
