"""Fetches a client-id metadata document, which a stranger names and writes."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType

if TYPE_CHECKING:
    import aiohttp

MAX_DOCUMENT_BYTES = 64 * 1024
FETCH_SECONDS = 5.0
_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


async def fetch_document(url: str) -> bytes:
    """Return the document at a URL; nothing is fetched from a private network.

    Raises:
        ApiError: the URL is refused, or the document cannot be fetched.
    """
    _check(url)
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(
                connector=_connector(),
                timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS),
                headers={"accept": "application/json", "accept-encoding": "identity"},
                auto_decompress=False,
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:  # noqa: PLR2004
                raise _refused("the server does not have it")
            return await _read(response)
    except (aiohttp.ClientError, OSError, ValueError):
        # OSError includes timeouts. The text would say what is listening where.
        raise _refused("it cannot be fetched") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_DOCUMENT_BYTES:
            raise _refused(f"it is larger than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(content)


def _check(url: str) -> None:
    """Check that a URL is https with a path, or http to this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("its URL is malformed") from None
    if not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOCAL_NAMES)):
        raise _refused("its URL is not https")
    if "#" in url or "@" in parts.netloc or not re.fullmatch(r"(/[!-~]*)", parts.path or ""):
        raise _refused("its URL is malformed")
    if not host or parts.path == "/" or {".", ".."} & set(parts.path.split("/")):
        raise _refused("its URL has no plain path")
    if _is_address(host) and not _is_allowed(host):
        raise _refused("its URL is in a private network")


def _connector() -> aiohttp.TCPConnector:
    import aiohttp
    from aiohttp.abc import ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class PublicResolver(ThreadedResolver):
        """Leaves out private addresses. The connection uses what was checked here."""

        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            found = await super().resolve(host, port, family)  # type: ignore[arg-type]
            allowed = [each for each in found if _is_allowed(each["host"])]
            if not allowed:
                raise OSError("no public address")
            return allowed

    return aiohttp.TCPConnector(resolver=PublicResolver(), force_close=True)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_allowed(host: str) -> bool:
    """Whether an address is public, or this machine's own."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or (address.is_global and not address.is_multicast)


def _refused(why: str) -> ApiError:
    return ApiError(
        ErrorType.INVALID_CLIENT_METADATA, f"The client metadata document is refused: {why}."
    )
