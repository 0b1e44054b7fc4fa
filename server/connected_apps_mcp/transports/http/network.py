"""What the server says and believes about the network: its URL, its proxies, and browsers."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

FORWARDED = {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
"""Headers in which a proxy names its client."""

CLIENT_HEADERS = (
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
)
"""Request headers of MCP clients that browsers ask about."""

SHOWN_HEADERS = ("mcp-protocol-version", "mcp-session-id", "retry-after", "www-authenticate")
"""Response headers that pages may read."""

SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}
"""Headers of every response that does not set them itself."""

STRICT_TRANSPORT = {b"strict-transport-security": b"max-age=31536000"}
"""Where clients come over TLS, browsers never come without it again."""


@dataclass(frozen=True)
class Network:
    """Where the server is.

    Attributes:
        authority: host and port that it listens on.
        public_url: its URL for clients; by default that of the authority.
        origins: origins of other sites with pages that may call it.
        proxies: networks of the proxies that it trusts, in CIDR notation.
        tls: whether it speaks TLS itself.
    """

    authority: str
    public_url: str | None = None
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    tls: bool = False

    @property
    def url(self) -> str:
        """The URL of the server for its clients, without a path."""
        return self.public_url or f"http{'s' * self.tls}://{self.authority}"

    @property
    def hosts(self) -> list[str]:
        """The values of the header Host that are accepted."""
        if self.public_url:
            return [urlsplit(self.public_url).netloc]
        return [self.authority, f"localhost:{self.authority.rpartition(':')[2]}"]

    @property
    def own_origins(self) -> list[str]:
        """The origins of the server itself."""
        scheme = urlsplit(self.url).scheme
        return [f"{scheme}://{host}" for host in self.hosts]

    def before(self, app: ASGIApp) -> ASGIApp:
        """The application behind all that this says."""
        if self.origins:
            app = CORSMiddleware(
                app,
                allow_origins=self.origins,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=CLIENT_HEADERS,
                expose_headers=SHOWN_HEADERS,
            )
        if self.proxies:
            app = _BehindProxies(app, self.proxies, refuse_others=not self.tls)
        more = STRICT_TRANSPORT if self.url.startswith("https:") else {}
        return SecurityHeaders(app, SECURITY_HEADERS | more)


class SecurityHeaders:
    """Middleware that adds headers to every response that lacks them."""

    def __init__(self, app: ASGIApp, headers: dict[bytes, bytes]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                lacking = self._headers.keys() - {name.lower() for name, _ in given}
                more = [(name, self._headers[name]) for name in self._headers if name in lacking]
                message = {**message, "headers": given + more}
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _BehindProxies:
    """Middleware that believes what trusted proxies say of their clients, and only them.

    Without TLS it refuses clients that come past the proxies: their tokens are not protected.
    """

    def __init__(self, app: ASGIApp, proxies: Iterable[str], *, refuse_others: bool) -> None:
        self._networks = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._app = app
        self._behind = ProxyHeadersMiddleware(app, trusted_hosts=list(proxies))  # type: ignore[arg-type]
        self._refuse_others = refuse_others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        peer = None
        if scope.get("client"):
            peer = _address(scope["client"][0])
            scope["client"] = (str(peer), scope["client"][1])
        if peer and any(peer in network for network in self._networks):
            return await self._behind(scope, receive, send)  # type: ignore[arg-type]
        if self._refuse_others and not (peer and peer.is_loopback):
            refusal = PlainTextResponse("Connect through the proxy.", 403)
            return await refusal(scope, receive, send)
        kept = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
        return await self._app({**scope, "headers": kept}, receive, send)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address of a peer. A socket for both versions of IP gives IPv4 an IPv6 form."""
    address = ipaddress.ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address
