"""Sends requests through a transport of httpx2: one of the user, or a proxy."""

from collections.abc import Mapping

import httpx2

from connected_apps_tools.api.responses import HttpResponse

from .http_client import KEEPALIVE_SECONDS, MAX_IN_FLIGHT, NO_MORE, TIMEOUT, Body, Headers


class TransportClient:
    """Sends requests through a transport of httpx2."""

    def __init__(
        self, base_url: str, headers: Headers, transport: httpx2.AsyncBaseTransport
    ) -> None:
        self._base_url = base_url
        self._headers = headers
        self._transport = transport
        self._extensions = {"timeout": TIMEOUT.as_dict()}

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
        request = httpx2.Request(
            method,
            self._base_url + path,
            headers=self._headers.of(body, more, form=form),
            content=body,
            extensions=self._extensions,
        )
        response = await self._transport.handle_async_request(request)
        received = Body()
        try:
            async for chunk in response.aiter_bytes():
                received.add(chunk)
        finally:
            await response.aclose()
        return HttpResponse(
            response.status_code,
            received.read(),
            response.headers.get("retry-after"),
            response.headers.get("date"),
        )

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


class ProxyTransport(httpx2.AsyncBaseTransport):
    """Connects through the proxy that the environment names for a URL, if any."""

    def __init__(self) -> None:
        limits = httpx2.Limits(
            max_connections=MAX_IN_FLIGHT,
            max_keepalive_connections=MAX_IN_FLIGHT,
            keepalive_expiry=KEEPALIVE_SECONDS,
        )
        self._client = httpx2.AsyncClient(limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises like any transport of httpx2."""
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
