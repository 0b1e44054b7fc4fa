"""Asks the issuer about opaque tokens (RFC 7662)."""

import logging
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote_plus

import anyio

from connected_apps_mcp.auth.config import IntrospectionCredentials
from connected_apps_mcp.auth.json_objects import JsonObject
from connected_apps_mcp.auth.refusals import Reason, TokenRefused

from .fetching import FETCH_SECONDS, Fetcher, FetchFailed
from .issuer import Issuer
from .kept import Clock

logger = logging.getLogger(__name__)

ACTIVE_SECONDS = 30.0
"""How long a token counts without asking again. `exp` is checked at each use."""

REFUSED_SECONDS = 5.0
MAX_ENTRIES = 1_000
MAX_IN_FLIGHT = 32
"""Most questions at once, so that false tokens leave connections for the keys."""


@dataclass
class _Entry:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    until: float = float("-inf")
    outcome: JsonObject | Reason = Reason.INACTIVE


class Introspection:
    """Asks an issuer about tokens, and keeps the responses for some seconds."""

    def __init__(
        self, issuer: Issuer, credentials: IntrospectionCredentials, fetcher: Fetcher, clock: Clock
    ) -> None:
        self.issuer = issuer
        self._credentials = credentials
        self._fetcher = fetcher
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._in_flight = anyio.Semaphore(MAX_IN_FLIGHT)

    async def claims_of(self, token: str) -> JsonObject:
        """What the issuer says about an active token. Its claims are not checked.

        Raises:
            TokenRefused: it is not active, or the issuer did not respond.
        """
        entry = self._entry(sha256(token.encode()).digest())
        async with entry.lock:
            if self._clock() >= entry.until:
                await self._renew(entry, token)
        if isinstance(entry.outcome, Reason):
            raise TokenRefused(entry.outcome)
        return entry.outcome

    def _entry(self, key: bytes) -> _Entry:
        entry = self._entries.pop(key, None) or _Entry()
        while len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry  # the one that was used last is the last one
        return entry

    async def _renew(self, entry: _Entry, token: str) -> None:
        asked_at = self._clock()
        try:
            entry.outcome = await self._ask(token)
            entry.until = asked_at + ACTIVE_SECONDS
        except TokenRefused as refusal:
            entry.outcome = refusal.reason
            entry.until = asked_at + REFUSED_SECONDS

    async def _ask(self, token: str) -> JsonObject:
        form = {"token": token, "token_type_hint": "access_token"}
        secret = self._credentials.client_secret.get_secret_value()
        auth = quote_plus(self._credentials.client_id), quote_plus(secret)  # RFC 6749, 2.3.1
        try:
            with anyio.fail_after(FETCH_SECONDS):
                async with self._in_flight:
                    endpoint = await self.issuer.endpoint("introspection_endpoint")
                    found = await self._fetcher.post(endpoint, form, auth)
        except (FetchFailed, TimeoutError) as failure:
            reason = failure or "no response in time"
            logger.warning("%s did not introspect a token: %s.", self.issuer.trusted.url, reason)
            raise TokenRefused(Reason.ISSUER_UNAVAILABLE) from None
        if found.get("active") is not True:
            raise TokenRefused(Reason.INACTIVE)
        if found.get("iss", self.issuer.trusted.url) not in self.issuer.trusted.names:
            raise TokenRefused(Reason.UNKNOWN_ISSUER)
        # Issuers introspect refresh tokens too, which have no type or another one.
        if str(found.get("token_type")).lower() != "bearer":
            raise TokenRefused(Reason.NOT_AN_ACCESS_TOKEN)
        return found
