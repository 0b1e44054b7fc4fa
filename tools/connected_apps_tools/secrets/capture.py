"""The moment in which the service hands a client secret over, which it does once.

The order is everything: prove that the store can be written, record what is about to be done, call
the service, keep the secret, strike the record out, and only then answer.
"""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import App
from connected_apps_tools.deadline import deadline, without_deadline
from connected_apps_tools.errors import (
    ConnectedAppsError,
    InvalidRequest,
    SecretNotKept,
    UnexpectedAnswer,
)
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.text.printable import printable
from connected_apps_tools.text.redaction import MIN_LENGTH

from .fallback_store import FallbackStore, StorageLocation
from .journal import Intent, Journal
from .stores import Which
from .unknown_outcome import MENDED, describe_candidates, matching_apps

logger = logging.getLogger(__name__)

LEAST_DIFFERENT = 4
"""Different characters that a secret has at the least."""

NO_STORE = (
    "The service showed the secret, and no store took it.",
    "The operator has to mend the secret store first.",
)
NO_ANSWER = (
    (
        "The service showed the secret in an answer that is not what the API promises, and does "
        "not show the app."
    ),
    UnexpectedAnswer.hint,
)
"""Why an act is undone, and what has to be done before it is tried again."""

UNIDENTIFIED = "unidentified-"
"""How the name begins under which a secret is kept while its app is not known."""

NO_ID = (
    " The answer named no app, and no app fits for certain: connected-apps-mcp secrets list shows "
    "the secret under that name."
)

A = TypeVar("A", bound=App)


@dataclass(frozen=True)
class CaptureOutcome:
    """What became of a secret that was shown.

    Attributes:
        secret: what was shown; None where that cannot be a secret.
        place: where it is kept; None where it is not.
        doubtful: whether it looks different from what the service tells of it.
    """

    secret: SecretStr | None = None
    place: StorageLocation | None = None
    doubtful: bool = False


@dataclass(frozen=True)
class CapturedSecret(CaptureOutcome):
    """The same, with the app as the service showed it."""

    app: App = field(kw_only=True)
    request_id: str | None = None


@dataclass(frozen=True)
class IssuingCall(Generic[A]):
    """An act in which the service shows a secret once."""

    intent: Intent
    which: Which
    call: Callable[[], Awaitable[tuple[A, str]]]
    """Gives the app, and the service's name for the request."""
    secret: Callable[[A], SecretStr | None]
    last_four: Callable[[A], str | None]
    undo: Callable[[str], Awaitable[Any]]
    undone: str


class SecretCapture:
    """Receives what the service hands over, and keeps it."""

    def __init__(self, api: ConnectedAppsClient, journal: Journal, safe: FallbackStore) -> None:
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

    async def remove_intent(self, intent: Intent) -> None:
        """Take an intent out of the journal: what it was about is safe."""
        try:
            await in_thread(self._journal.end, intent)
        except StoreError as error:
            logger.error("An intent stays in the journal: %s", error)

    async def receive(self, handover: IssuingCall[A]) -> CapturedSecret:
        """Call the service, keep what it shows, and undo the call where nothing keeps it.

        Raises:
            ConnectedAppsError: the call failed, and the hint says what became of the secret.
        """
        async with self.intending(handover.intent):
            try:
                app, request_id = await handover.call()
            except ConnectedAppsError as error:
                with without_deadline():
                    return await self._save(handover, error)
            secret, last_four = handover.secret(app), handover.last_four(app)
            with without_deadline():
                taken = await self._take(handover, app.client_id, secret, last_four)
            return CapturedSecret(**vars(taken), app=app, request_id=request_id)

    async def _recognised(self, intent: Intent, secret: SecretStr) -> str:
        """The id of the one app that a secret in an answer without an id fits; else nothing."""
        last_four, fitting = secret.get_secret_value()[-4:], list[str]()
        with suppress(ConnectedAppsError), deadline(self._api.deadline):
            fitting = [
                app.client_id
                async for app in matching_apps(self._api, intent)
                if app.client_secret_last_four == last_four
            ]
        return fitting[0] if len(fitting) == 1 else ""

    async def _take(
        self,
        handover: IssuingCall[A],
        client_id: str,
        secret: SecretStr | None,
        last_four: str | None,
        *,
        sure: bool = True,
    ) -> CaptureOutcome:
        """Keep a secret, and strike the intent out where there is no doubt about it."""
        if secret is None or not _plausible(secret.get_secret_value()):
            return CaptureOutcome()
        place = await self._safe.keep(client_id, handover.which, secret)
        if place is None and self._safe.keeps:
            raise await self._undo(handover, client_id, NO_STORE) from None
        doubtful = not (sure and _as_told(secret.get_secret_value(), last_four))
        if place and not doubtful:
            await self.remove_intent(handover.intent)
        return CaptureOutcome(secret, place, doubtful)

    async def _save(self, handover: IssuingCall[A], error: ConnectedAppsError) -> CapturedSecret:
        """Do for a failed call what can still be done, and raise it with a word on that.

        Returns:
            What the caller has to get, since nothing is kept here.
        """
        found = error.salvaged if isinstance(error, UnexpectedAnswer) else None
        if found and (secret := found.secrets[handover.which]):
            asked = handover.intent.client_id
            client_id = asked or found.client_id or await self._recognised(handover.intent, secret)
            named = client_id or f"{UNIDENTIFIED}{handover.intent.id}"
            sure = bool(client_id) and found.client_id in {"", client_id}
            last_four = found.last_fours[handover.which]
            taken = await self._take(handover, named, secret, last_four, sure=sure)
            if taken.secret and not taken.place:
                return await self._hand_over(handover, named, taken)
            error.hint = f"It was carried out for app {printable(named)}, {_became(taken)}"
            if not client_id:
                error.hint += NO_ID
        elif error.may_have_taken_effect:
            with deadline(self._api.deadline):
                error.hint = await describe_candidates(self._api, self._safe, handover.intent)
        else:
            await self.remove_intent(handover.intent)
        raise error

    async def _hand_over(
        self, handover: IssuingCall[A], client_id: str, taken: CaptureOutcome
    ) -> CapturedSecret:
        """Read the app that the answer did not show in full, so that there is an answer."""
        try:
            app = (await self._api.get(client_id)).connected_app
        except ConnectedAppsError:
            raise await self._undo(handover, client_id, NO_ANSWER) from None
        return CapturedSecret(**vars(taken), app=app)

    async def _undo(
        self, handover: IssuingCall[A], client_id: str, why: tuple[str, str]
    ) -> SecretNotKept:
        failed, hint = why
        try:
            await handover.undo(client_id)
        except ConnectedAppsError:
            lost = SecretNotKept(
                f"{failed} App {printable(client_id)} has a secret that nobody knows."
            )
            lost.may_have_taken_effect, lost.hint = True, MENDED
            return lost
        await self.remove_intent(handover.intent)
        undone = SecretNotKept(f"{failed} {handover.undone}: all is as it was.")
        undone.hint = hint
        return undone


def _plausible(secret: str) -> bool:
    """Whether this can be a secret at all."""
    return len(secret) >= MIN_LENGTH and len(set(secret)) >= LEAST_DIFFERENT


def _as_told(secret: str, last_four: str | None) -> bool:
    """Whether this is the secret whose last four the service tells, in whatever form it does.

    A character that is repeated makes it look masked.
    """
    return (last_four is None or secret[-4:] == last_four[-4:]) and not re.search(
        r"(.)\1{3}", secret
    )


def _became(taken: CaptureOutcome) -> str:
    """What became of the secret in an answer that is not what the API promises."""
    if taken.secret is None:
        return f"but what the answer shows cannot be its secret. {MENDED}"
    if taken.doubtful:
        return f"and what is kept in {taken.place} may not be its secret. {MENDED}"
    return f"and its secret is kept in {taken.place}."


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
