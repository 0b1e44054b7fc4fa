"""Sends requests to issuers, within bounds."""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

import anyio
import httpx2

from connected_apps_mcp.auth.json_objects import JsonObject, read_object

FETCH_SECONDS = 5.0
"""Longest time until the whole response is there."""

MAX_RESPONSE_BYTES = 256 * 1024

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host and port. Raises OSError."""


class FetchFailed(Exception):
    """There is no response that can be used. The message contains nothing of the response."""


@dataclass(frozen=True)
class Endpoint:
    """A URL that is fetched.

    Attributes:
        url: the URL.
        public_only: whether the host must have public addresses only: the operator did not choose
            it, so it must not lead into the operator's network.
    """

    url: str
    public_only: bool = False


async def resolve(host: str, port: int) -> list[str]:
    """Look up the addresses of a host."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Fetcher:
    """Fetches JSON objects. It follows no redirect, and connects at first use."""

    def __init__(
        self, transport: httpx2.AsyncBaseTransport | None = None, resolve: Resolve = resolve
    ) -> None:
        self._transport = transport
        self._resolve = resolve

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self._transport, timeout=FETCH_SECONDS)

    async def get(self, endpoint: Endpoint) -> JsonObject:
        """Fetch a JSON object.

        Raises:
            FetchFailed: there is none.
        """
        return await self._send("GET", endpoint)

    async def post(
        self, endpoint: Endpoint, form: Mapping[str, str], auth: tuple[str, str]
    ) -> JsonObject:
        """Post a form, and read a JSON object.

        Raises:
            FetchFailed: there is none.
        """
        return await self._send("POST", endpoint, form, auth)

    async def _send(
        self,
        method: str,
        endpoint: Endpoint,
        form: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> JsonObject:
        try:
            with anyio.fail_after(FETCH_SECONDS):
                place = await self._place(endpoint)
                async with self._client.stream(method, data=form, auth=auth, **place) as response:
                    return read_object(await _body(response))
        except TimeoutError:
            raise FetchFailed("no response in time") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise FetchFailed(type(error).__name__) from None
        except ValueError:
            raise FetchFailed("no JSON object") from None

    async def _place(self, endpoint: Endpoint) -> dict[str, Any]:
        """Where a request goes: its URL, headers and extensions."""
        url = httpx2.URL(endpoint.url)
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        if not endpoint.public_only:
            return {"url": url, "headers": headers}
        # The connection goes to the address that was checked, not to what a second lookup says.
        # It is not used again: another host may have the same address.
        return {
            "url": url.copy_with(host=await self._public_address(url)),
            "headers": headers | {"host": url.netloc.decode(), "connection": "close"},
            "extensions": {"sni_hostname": url.host},
        }

    async def _public_address(self, url: httpx2.URL) -> str:
        found = await self._resolve(url.host, url.port or 443)
        if not found or not all(map(_is_public, found)):
            raise FetchFailed("the address is not public")
        return found[0]

    async def aclose(self) -> None:
        """Close the connections."""
        if "_client" in vars(self):
            await self._client.aclose()


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_global and not mapped.is_multicast


async def _body(response: httpx2.Response) -> bytes:
    if response.status_code != HTTPStatus.OK:
        raise FetchFailed(f"status {response.status_code}")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind == "application/json" or kind.endswith("+json")):
        raise FetchFailed("the response is not JSON")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("the response is compressed")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise FetchFailed("the response is too large")
    return bytes(body)
