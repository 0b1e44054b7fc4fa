"""Lets one person in, by a link that counts once, until nothing comes for a while."""

import hmac
import time
from collections.abc import Callable
from secrets import token_urlsafe

import anyio

LINK_SECONDS = 300.0
"""Time in which the link has to be opened."""

IDLE_SECONDS = 900.0
"""The session ends after so long without a request of the person."""

CHECK_SECONDS = 1.0


def clocks() -> tuple[float, float]:
    """Two clocks: one stands still while a machine sleeps, somebody may set the other back."""
    return time.monotonic(), time.time()


class Session:
    """The only session of a console.

    Attributes:
        token: opens it, once.
        cookie_name: what its cookie is called. No other server of this machine can guess it, and
            set a cookie of the same name for the whole host.
    """

    def __init__(self, now: Callable[[], tuple[float, ...]] = clocks) -> None:
        """Start to wait for the person."""
        self.token = token_urlsafe(32)
        self.cookie_name = f"console-{token_urlsafe(8)}"
        self._now = now
        self._cookie: str | None = None
        self._last = now()

    @property
    def has_ended(self) -> bool:
        """Whether the link was not opened in time, or nothing came for too long."""
        bound = LINK_SECONDS if self._cookie is None else IDLE_SECONDS
        return any(now - last >= bound for now, last in zip(self._now(), self._last, strict=True))

    def open(self, token: str) -> str | None:
        """The cookie of the session for its token, once; None for everything else."""
        if not _same(token, self.token) or self._cookie or self.has_ended:
            return None
        self._cookie, self._last = token_urlsafe(32), self._now()
        return self._cookie

    def admits(self, cookie: str) -> bool:
        """Whether this is the cookie of the session, and the session goes on."""
        return bool(self._cookie) and _same(cookie, self._cookie or "") and not self.has_ended

    def note_person(self) -> None:
        """Note a request that a press of the person led to."""
        self._last = self._now()

    async def wait(self) -> None:
        """Wait until it has ended."""
        while not self.has_ended:  # noqa: ASYNC110 - nothing but time ends it
            await anyio.sleep(CHECK_SECONDS)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
