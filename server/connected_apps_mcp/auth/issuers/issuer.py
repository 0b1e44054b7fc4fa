"""Trusted issuers: their metadata and their keys."""

from contextlib import suppress
from urllib.parse import urlsplit

from connected_apps_mcp.auth.config import TrustedIssuer
from connected_apps_mcp.auth.json_objects import JsonObject
from connected_apps_mcp.auth.places import is_loopback, is_safe_endpoint, origin_of
from connected_apps_mcp.auth.refusals import Reason, TokenRefused

from .fetching import Endpoint, Fetcher, FetchFailed
from .kept import Clock, Kept
from .keys import Key, keys_of


class Issuer:
    """A trusted issuer."""

    def __init__(self, trusted: TrustedIssuer, fetcher: Fetcher, clock: Clock) -> None:
        self.trusted = trusted
        self._fetcher = fetcher
        self._metadata = Kept(f"the metadata of {trusted.url}", self._discover, clock)
        self._keys = Kept(f"the keys of {trusted.url}", self._fetch_keys, clock)

    async def keys(self) -> tuple[Key, ...]:
        """All keys.

        Raises:
            TokenRefused: they cannot be fetched.
        """
        return await self._keys.get()

    async def keys_for(self, kid: str | None) -> list[Key]:
        """The keys that a token may be signed with: all that have its key id.

        Several are tried: RFC 7517 (4.5) lets keys of different types share an id. A token without
        an id counts only if the issuer has one key.

        Raises:
            TokenRefused: there is none.
        """
        found = _choose(await self.keys(), kid)
        if not found and kid is not None:
            found = _choose(await self._keys.newer(), kid)
        if not found:
            raise TokenRefused(Reason.UNKNOWN_KEY)
        return found

    async def endpoint(self, name: str) -> Endpoint:
        """An endpoint that the metadata names.

        Raises:
            FetchFailed: it names none, or one that is not safe.
            TokenRefused: there is no metadata.
        """
        url = (await self._metadata.get()).get(name)
        if not isinstance(url, str) or not is_safe_endpoint(url):
            raise FetchFailed(f"no safe {name}")
        if self._is_chosen_by_the_operator(url):
            return Endpoint(url)
        if urlsplit(url).scheme != "https":
            raise FetchFailed(f"no safe {name}")
        return Endpoint(url, public_only=True)

    def _is_chosen_by_the_operator(self, url: str) -> bool:
        issuer = self.trusted.url
        return origin_of(url) == origin_of(issuer) or (is_loopback(issuer) and is_loopback(url))

    async def _fetch_keys(self) -> tuple[Key, ...]:
        configured = self.trusted.jwks_url
        place = Endpoint(configured) if configured else await self.endpoint("jwks_uri")
        return keys_of(await self._fetcher.get(place))

    async def _discover(self) -> JsonObject:
        for url in metadata_urls(self.trusted.url):
            with suppress(FetchFailed):
                metadata = await self._fetcher.get(Endpoint(url))
                if metadata.get("issuer") == self.trusted.url:
                    return metadata
        raise FetchFailed("no metadata that names this very issuer")


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer publishes its metadata: RFC 8414, then OpenID Connect."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.removesuffix("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def _choose(keys: tuple[Key, ...], kid: str | None) -> list[Key]:
    if kid is None:
        return list(keys) if len(keys) == 1 else []
    return [key for key in keys if key.kid == kid]
