"""What sends one HTTP request to the service, and the bounds of every way to send it."""

from base64 import b64encode
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


class HttpClient(Protocol):
    """Sends requests. It follows no redirect and repeats no request."""

    async def send(self, method: str, path: str, body: bytes | None) -> HttpResponse:
        """Send a request, with JSON as its body, and read the response.

        Raises:
            httpx2.TransportError: there was no connection, or no complete response.
            httpx2.DecodingError: the body of the response could not be decoded.
            UnexpectedAnswer: the body is too large.
        """

    async def aclose(self) -> None:
        """Close the connections."""


def headers_of(credentials: Credentials) -> dict[str, str]:
    """The headers of every request."""
    user = f"{credentials.project_id}:{credentials.secret.get_secret_value()}"
    return {
        "authorization": f"Basic {b64encode(user.encode()).decode()}",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "user-agent": "connected-apps-mcp",
    }


JSON = {"content-type": "application/json"}
"""The header of every request with a body."""


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
