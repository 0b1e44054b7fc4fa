"""What sends one HTTP request to the service, and the bounds of every way to send it."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Protocol

import httpx2

from connected_apps_tools.api.responses import HttpResponse
from connected_apps_tools.api.service import Credentials
from connected_apps_tools.errors import UnexpectedAnswer

TIMEOUT = httpx2.Timeout(connect=5.0, read=20.0, write=10.0, pool=10.0)
"""Seconds that one step of one attempt may take."""

MAX_IN_FLIGHT = 100
"""Most requests at once, and most open connections."""

KEEPALIVE_SECONDS = 60.0

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Size of the largest response that is read: 1,000 apps of 64 kB each."""


NO_MORE: Mapping[str, str] = {}
"""No more headers than every request has."""


class HttpClient(Protocol):
    """Sends requests. It follows no redirect and repeats no request."""

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        form: bool = False,
        more: Mapping[str, str] = NO_MORE,
    ) -> HttpResponse:
        """Send a request, with `more` headers, and read the response.

        The body is JSON, with the credentials of the project in a header; or a form, without them.

        Raises:
            httpx2.TransportError: there was no connection, or no complete response.
            httpx2.DecodingError: the body of the response could not be decoded.
            UnexpectedAnswer: the body is too large.
        """

    async def aclose(self) -> None:
        """Close the connections."""


class Headers:
    """The headers of the requests of a project."""

    def __init__(self, credentials: Credentials) -> None:
        user = f"{credentials.project_id}:{credentials.secret.get_secret_value()}"
        common = {
            "accept": "*/*",
            "accept-encoding": "gzip, deflate",
            "user-agent": "connected-apps-mcp",
        }
        self._empty = {"authorization": f"Basic {b64encode(user.encode()).decode()}"} | common
        self._json = self._empty | {"content-type": "application/json"}
        self._form = common | {"content-type": "application/x-www-form-urlencoded"}

    def of(self, body: bytes | None, more: Mapping[str, str], *, form: bool) -> Mapping[str, str]:
        """The headers of a request, with `more`. With a form they have no credentials."""
        with_credentials = self._empty if body is None else self._json
        headers = self._form if form else with_credentials
        return {**headers, **more} if more else headers


class Body:
    """Collects the body of a response, up to a size."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        """Add the next part.

        Raises:
            UnexpectedAnswer: the body is too large.
        """
        self._bytes += chunk
        if len(self._bytes) > MAX_RESPONSE_BYTES:
            raise UnexpectedAnswer(f"The response is larger than {MAX_RESPONSE_BYTES} bytes.")

    def read(self) -> bytes:
        """The whole body."""
        return bytes(self._bytes)
