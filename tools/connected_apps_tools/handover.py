"""The moment in which the service hands a client secret over, which it does once.

The order is everything: prove that the store can be written, record what is about to be done, call
the service, keep the secret, strike the record out, and only then answer.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from .api import ConnectedAppsClient
from .errors import ConnectedAppsError, InvalidRequest, SecretNotKept, UnexpectedAnswer
from .evidence import MENDED, what_can_be_seen
from .journal import Intent, Journal
from .models import App
from .safe import Safe, in_thread
from .scrubber import MIN_LENGTH
from .secret_store import StoreError, Which

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=App)


@dataclass(frozen=True)
class Kept(Generic[A]):
    """An app whose secret was shown, and where the secret is now.

    Attributes:
        app: the app as the service showed it.
        secret: what it showed; None where it showed none.
        place: where the secret is kept, in words; None where it is not.
    """

    app: A
    secret: SecretStr | None
    place: str | None


@dataclass(frozen=True)
class Handover(Generic[A]):
    """An act in which the service shows a secret once."""

    intent: Intent
    which: Which
    call: Callable[[], Awaitable[A]]
    secret: Callable[[A], SecretStr | None]
    last_four: Callable[[A], str | None]
    undo: Callable[[str], Awaitable[Any]]
    undone: str


class Receiver:
    """Receives what the service hands over, and keeps it."""

    def __init__(self, api: ConnectedAppsClient, journal: Journal, safe: Safe) -> None:
        self._api = api
        self._journal = journal
        self._safe = safe

    async def prove_writable(self, *, revealed: bool) -> None:
        """See to it that a secret would be kept, or be `revealed` to a caller who takes it.

        Raises:
            InvalidRequest: it would be lost.
        """
        if not self._safe.keeps:
            if revealed:
                return
            refusal = InvalidRequest(
                "Nothing was sent: no secret is kept here (the secret store is none), so the one "
                "that the service shows once would be lost."
            )
            refusal.hint = (
                "Set reveal_secret to true where it is offered, or let the operator choose a "
                "secret store."
            )
            raise refusal
        with nothing_sent():
            await self._safe.check()

    @asynccontextmanager
    async def intending(self, intent: Intent) -> AsyncIterator[None]:
        """Record an intent, and let it stand unless it is struck out."""
        with nothing_sent("what is about to be done could not be recorded"):
            await in_thread(self._journal.begin, intent)
        try:
            yield
        finally:
            self._journal.leave(intent)

    async def strike_out(self, intent: Intent) -> None:
        """Take an intent out of the journal: what it was about is safe."""
        try:
            await in_thread(self._journal.end, intent)
        except StoreError as error:
            logger.error("An intent stays in the journal: %s", error)

    async def receive(self, handover: Handover[A]) -> Kept[A]:
        """Call the service, keep what it shows, and undo the call where nothing keeps it.

        Raises:
            ConnectedAppsError: the call failed, and the hint says what became of the secret.
        """
        async with self.intending(handover.intent):
            try:
                app = await handover.call()
            except ConnectedAppsError as error:
                await self._save(handover, error)
                raise
            secret = _credible(handover.secret(app), handover.last_four(app))
            if secret is None:
                return Kept(app, None, None)
            client_id = handover.intent.client_id or app.client_id
            place = await self._safe.keep(client_id, handover.which, secret)
            if place is None and self._safe.keeps:
                raise await self._undo(handover, client_id)
            if place:
                await self.strike_out(handover.intent)
            return Kept(app, secret, place)

    async def _save(self, handover: Handover[A], error: ConnectedAppsError) -> None:
        """Do for a failed call what can still be done, and tell the error of it."""
        found = error.salvaged if isinstance(error, UnexpectedAnswer) else None
        secret = found.secrets[handover.which] if found else None
        if found and secret:
            client_id = handover.intent.client_id or found.client_id
            place = await self._safe.keep(client_id, handover.which, secret)
            if place is None:
                raise await self._undo(handover, client_id) from None
            await self.strike_out(handover.intent)
            error.hint = (
                f"It was carried out for app {client_id}, and its secret is kept in {place}."
            )
            return
        if error.may_have_taken_effect:
            error.hint = await what_can_be_seen(self._api, self._safe, handover.intent)
        else:
            await self.strike_out(handover.intent)

    async def _undo(self, handover: Handover[A], client_id: str) -> SecretNotKept:
        failed = "The service showed the secret, and no store took it."
        try:
            await handover.undo(client_id)
        except ConnectedAppsError:
            lost = SecretNotKept(f"{failed} App {client_id} has a secret that nobody knows.")
            lost.may_have_taken_effect, lost.hint = True, MENDED
            return lost
        await self.strike_out(handover.intent)
        undone = SecretNotKept(f"{failed} {handover.undone}: all is as it was.")
        undone.hint = "The operator has to mend the secret store first."
        return undone


def _credible(secret: SecretStr | None, last_four: str | None) -> SecretStr | None:
    """What was shown, if it can be the secret whose last four the service tells."""
    value = secret.get_secret_value() if secret else ""
    fits = last_four is None or value.endswith(last_four)
    return secret if len(value) >= MIN_LENGTH and fits else None


@contextmanager
def nothing_sent(
    why: str = "the secret that the service shows once could not be kept",
) -> Iterator[None]:
    """Make the failure of a store or of the journal a refusal of the call, which says why.

    Raises:
        InvalidRequest: a store or the journal failed.
    """
    try:
        yield
    except StoreError as error:
        refusal = InvalidRequest(f"Nothing was sent: {why}. {error}")
        refusal.hint = "The operator has to mend that first."
        raise refusal from None
