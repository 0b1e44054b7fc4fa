"""Verifies access tokens."""

import logging
import re
import time

import httpx2

from connected_apps_mcp.callers import CallerToken

from .claims import caller_token
from .config import AuthConfig
from .issuers.fetching import Fetcher, Resolve, resolve
from .issuers.introspection import Introspection
from .issuers.issuer import Issuer
from .issuers.kept import Clock
from .json_objects import JsonObject
from .jwt_tokens import is_jwt, read_jwt
from .refusals import Reason, TokenRefused

logger = logging.getLogger(__name__)

MAX_TOKEN = 16 * 1024
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, 2.1."""


class Verifier:
    """Verifies access tokens, as the `TokenVerifier` of the SDK. It connects at first use."""

    def __init__(
        self,
        config: AuthConfig,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        resolve: Resolve = resolve,
        wall_clock: Clock = time.time,
        clock: Clock = time.monotonic,
    ) -> None:
        self._config = config
        self._wall_clock = wall_clock
        self._fetcher = Fetcher(transport, resolve)
        issuers = [Issuer(trusted, self._fetcher, clock) for trusted in config.issuers]
        self._issuers = {name: issuer for issuer in issuers for name in issuer.trusted.names}
        self._introspection: Introspection | None = None
        asked = config.introspecting_issuer
        if config.introspection and asked:
            issuer = self._issuers[asked.url]
            self._introspection = Introspection(issuer, config.introspection, self._fetcher, clock)

    async def verify_token(self, token: str) -> CallerToken | None:
        """The caller that a token names; None if the token is refused, which is logged."""
        try:
            return await self.check(token)
        except TokenRefused as refusal:
            logger.info("An access token was refused: %s.", refusal.reason)
            return None

    async def check(self, token: str) -> CallerToken:
        """The caller that a token names.

        Raises:
            TokenRefused: the token does not count.
        """
        if len(token) > MAX_TOKEN:
            raise TokenRefused(Reason.TOO_LONG)
        if not _BEARER.fullmatch(token):
            raise TokenRefused(Reason.MALFORMED)
        issuer, claims = await self._read(token)
        return caller_token(claims, issuer.trusted, self._config, self._wall_clock())

    async def _read(self, token: str) -> tuple[Issuer, JsonObject]:
        if is_jwt(token):
            return await read_jwt(token, self._issuers)
        if self._introspection is None:
            raise TokenRefused(Reason.OPAQUE)
        return self._introspection.issuer, await self._introspection.claims_of(token)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._fetcher.aclose()
