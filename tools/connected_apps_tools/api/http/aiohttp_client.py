"""Sends requests over a direct connection, with aiohttp. Its errors become those of httpx2.

It takes a fifth of the time of httpx2 (docs/explanation/benchmarks.md).
"""

import ssl
from collections.abc import Mapping

import aiohttp
import httpx2
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from connected_apps_tools.api.responses import HttpResponse

from .http_client import KEEPALIVE_SECONDS, MAX_IN_FLIGHT, NO_MORE, TIMEOUT, Body, Headers

MAX_HEADER_BYTES = 64 * 1024
"""Longest line and longest field in the head of a response."""

ERRORS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (Exception, httpx2.ReadError),
)
"""Kinds of errors of aiohttp, and the error of httpx2 for each. The first kind that fits counts."""


class AiohttpClient:
    """Sends requests over connections of its own."""

    def __init__(self, base_url: str, headers: Headers) -> None:
        """Create a client.

        Raises:
            OSError, ValueError: the certificate settings of the environment are invalid.
        """
        service = URL(base_url)
        self._base_url = str(service)
        self._headers = headers
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_IN_FLIGHT,
                keepalive_timeout=KEEPALIVE_SECONDS,
                ssl=_tls() if service.scheme == "https" else True,
                resolver=aiohttp.ThreadedResolver(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=TIMEOUT.connect, sock_read=TIMEOUT.read
            ),
            middlewares=[_translate_errors],
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        form: bool = False,
        more: Mapping[str, str] = NO_MORE,
    ) -> HttpResponse:
        """Send a request. Raises like `HttpClient.send`."""
        url = URL(self._base_url + path, encoded=True)
        headers = self._headers.of(body, more, form=form)
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            received, head = await _read(response), response.headers
            return HttpResponse(
                response.status, received, head.get("retry-after"), head.get("date")
            )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


def _tls() -> ssl.SSLContext:
    """The settings of TLS. httpx2 reads the certificates that the environment names."""
    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _read(response: aiohttp.ClientResponse) -> bytes:
    received = Body()
    try:
        async for chunk in response.content.iter_any():
            received.add(chunk)
        return received.read()
    except (aiohttp.ClientError, OSError) as error:
        failure = error
    if isinstance(failure.__cause__, ContentEncodingError):
        raise httpx2.DecodingError("")
    raise _translated(failure) from _cause(failure)


async def _translate_errors(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Translate errors before aiohttp sees them: after some it would repeat the request itself."""
    try:
        return await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        failure = error
    raise _translated(failure) from _cause(failure)


def _translated(error: Exception) -> httpx2.TransportError:
    return next(translation for kind, translation in ERRORS if isinstance(error, kind))("")


def _cause(error: Exception) -> BaseException:
    """What happened, without the wrapper of aiohttp."""
    return error.__cause__ or error
