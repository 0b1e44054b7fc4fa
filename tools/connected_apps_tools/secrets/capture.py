"""Stores a client secret when the service shows it, which it does only once.

The order matters: check that the store can be written, record an intent, call the service, store
the secret, remove the intent, and only then return.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from connected_apps_tools import observing
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

from .checking import fits_last_four
from .fallback_store import FallbackStore, StorageLocation
from .journal import Intent, Journal
from .stores import Which
from .unknown_outcome import HOW_TO_FIX, describe_candidates, matching_apps

logger = logging.getLogger(__name__)

LEAST_DIFFERENT = 4
"""Least number of different characters in a secret."""

NO_STORE = (
    "The service showed the secret, and no store took it.",
    "The operator has to repair the secret store first.",
)
NO_ANSWER = (
    (
        "The service showed the secret in a response that is not what the API defines, and the app "
        "cannot be read."
    ),
    UnexpectedAnswer.hint,
)
"""Why a call is undone, and what to do before the next attempt."""

UNIDENTIFIED = "unidentified-"
"""Prefix of the name of a stored secret without a known app."""

NO_ID = (
    " The response named no app, and no app certainly matches: connected-apps-mcp secrets list "
    "shows the secret under that name."
)

A = TypeVar("A", bound=App)


@dataclass(frozen=True)
class CaptureOutcome:
    """What happened to a secret that the service showed.

    Attributes:
        secret: the secret; None if the value cannot be one.
        location: where it is stored; None if it is not stored.
        doubtful: whether its last four characters differ from those that the service shows, or it
            looks redacted.
    """

    secret: SecretStr | None = None
    location: StorageLocation | None = None
    doubtful: bool = False


@dataclass(frozen=True)
class CapturedSecret(CaptureOutcome):
    """The outcome, with the app as the service showed it."""

    app: App = field(kw_only=True)
    request_id: str | None = None


@dataclass(frozen=True)
class IssuingCall(Generic[A]):
    """A call in which the service shows a secret, and how to undo it."""

    intent: Intent
    which: Which
    call: Callable[[], Awaitable[tuple[A, str]]]
    """Returns the app and the service's id of the request."""
    secret: Callable[[A], SecretStr | None]
    last_four: Callable[[A], str | None]
    undo: Callable[[str], Awaitable[Any]]
    undone: str


class SecretCapture:
    """Runs calls in which the service shows a secret, and stores the secret."""

    def __init__(self, api: ConnectedAppsClient, journal: Journal, store: FallbackStore) -> None:
        self._api = api
        self._journal = journal
        self._store = store

    async def prove_writable(self, *, revealed: bool) -> None:
        """Check that a secret can be stored, or is `revealed` to the caller.

        Raises:
            InvalidRequest: it would be lost.
        """
        if not self._store.has_store:
            if revealed:
                return
            refusal = InvalidRequest(
                "Nothing was sent: secrets are not stored here (the secret store is none), and the "
                "service shows the secret only once, so it would be lost."
            )
            refusal.hint = (
                "Set reveal_secret to true if the tool has that argument, or ask the operator to "
                "choose a secret store."
            )
            raise refusal
        with nothing_sent():
            await self._store.check()

    @asynccontextmanager
    async def recorded(self, intent: Intent) -> AsyncIterator[None]:
        """Record an intent. It stays in the journal until it is removed."""
        with nothing_sent("the intent could not be recorded"):
            late = partial(self._forget, intent)
            await in_thread(self._journal.record, intent, on_abandoned=late)
        try:
            yield
        finally:
            self._journal.release(intent)

    def _forget(self, intent: Intent, late: Future[None]) -> None:
        """Remove an intent that is recorded after its call was refused."""

        def remove(_: object) -> None:
            with suppress(StoreError):
                self._journal.remove(intent)

        late.add_done_callback(remove)

    async def remove_intent(self, intent: Intent) -> None:
        """Remove an intent: its outcome is known, and nothing is lost."""
        try:
            await in_thread(self._journal.remove, intent)
        except StoreError as error:
            logger.error("An intent stays in the journal: %s", error)

    async def run(self, issuing: IssuingCall[A]) -> CapturedSecret:
        """Call the service and store the secret; undo the call if no store takes the secret.

        Raises:
            ConnectedAppsError: the call failed. The hint says what happened to the secret.
        """
        async with self.recorded(issuing.intent):
            try:
                app, request_id = await issuing.call()
            except ConnectedAppsError as error:
                with without_deadline():
                    return await self._salvage(issuing, error)
            secret, last_four = issuing.secret(app), issuing.last_four(app)
            try:
                with without_deadline():
                    outcome = await self._put(issuing, app.client_id, secret, last_four)
            except SecretNotKept as error:
                error.request_id = request_id
                raise
            return CapturedSecret(**vars(outcome), app=app, request_id=request_id)

    async def _only_match(self, intent: Intent, secret: SecretStr) -> str:
        """The id of the only app that matches a secret from a response without an id; else ''."""
        last_four, matching = secret.get_secret_value()[-4:], list[str]()
        with suppress(ConnectedAppsError), deadline(self._api.deadline):
            matching = [
                app.client_id
                async for app in matching_apps(self._api, intent)
                if app.client_secret_last_four == last_four
            ]
        return matching[0] if len(matching) == 1 else ""

    async def _put(
        self,
        issuing: IssuingCall[A],
        client_id: str,
        secret: SecretStr | None,
        last_four: str | None,
        *,
        sure: bool = True,
    ) -> CaptureOutcome:
        """Store a secret. Remove the intent if the secret is certainly right."""
        if secret is None or not _may_be_secret(secret.get_secret_value()):
            observing.event("secret", outcome="doubtful")
            return CaptureOutcome()
        location = await self._store.put(client_id, issuing.which, secret)
        if location is None and self._store.has_store:
            raise await self._undo(issuing, client_id, NO_STORE) from None
        doubtful = not (sure and fits_last_four(secret.get_secret_value(), last_four))
        if location and not doubtful:
            await self.remove_intent(issuing.intent)
        kept = "stored" if location else "shown"
        observing.event("secret", outcome="doubtful" if doubtful else kept)
        return CaptureOutcome(secret, location, doubtful)

    async def _salvage(self, issuing: IssuingCall[A], error: ConnectedAppsError) -> CapturedSecret:
        """Store the secret in the response of a failed call, and raise the error with a hint.

        Returns:
            The secret, if it is not stored here and the caller has to get it.
        """
        found = error.salvaged if isinstance(error, UnexpectedAnswer) else None
        if found and (secret := found.secrets[issuing.which]):
            known = issuing.intent.client_id or found.client_id
            client_id = known or await self._only_match(issuing.intent, secret)
            name = client_id or f"{UNIDENTIFIED}{issuing.intent.id}"
            sure = bool(client_id) and found.client_id in {"", client_id}
            last_four = found.last_fours[issuing.which]
            outcome = await self._put(issuing, name, secret, last_four, sure=sure)
            if outcome.secret and not outcome.location:
                return await self._with_app(issuing, name, outcome)
            error.hint = f"It took effect for app {printable(name)}, {_described(outcome)}"
            if not client_id:
                error.hint += NO_ID
        elif error.may_have_taken_effect:
            observing.event("secret", outcome="doubtful")
            with deadline(self._api.deadline):
                error.hint = await describe_candidates(self._api, self._store, issuing.intent)
        else:
            await self.remove_intent(issuing.intent)
        raise error

    async def _with_app(
        self, issuing: IssuingCall[A], client_id: str, outcome: CaptureOutcome
    ) -> CapturedSecret:
        """Add the app, which the response did not show in full. Undo the call if that fails."""
        try:
            app = (await self._api.get(client_id)).connected_app
        except ConnectedAppsError:
            raise await self._undo(issuing, client_id, NO_ANSWER) from None
        return CapturedSecret(**vars(outcome), app=app)

    async def _undo(
        self, issuing: IssuingCall[A], client_id: str, why: tuple[str, str]
    ) -> SecretNotKept:
        failed, hint = why
        try:
            await issuing.undo(client_id)
        except ConnectedAppsError:
            observing.event("secret", outcome="lost")
            lost = SecretNotKept(
                f"{failed} App {printable(client_id)} has a secret without a known copy."
            )
            lost.may_have_taken_effect, lost.hint = True, HOW_TO_FIX
            return lost
        await self.remove_intent(issuing.intent)
        undone = SecretNotKept(f"{failed} {issuing.undone}, so nothing has changed.")
        undone.hint = hint
        return undone


def _may_be_secret(secret: str) -> bool:
    """Whether a value can be a secret."""
    return len(secret) >= MIN_LENGTH and len(set(secret)) >= LEAST_DIFFERENT


def _described(outcome: CaptureOutcome) -> str:
    """The end of a sentence on the secret in an unexpected response."""
    if outcome.secret is None:
        return f"but the value in the response cannot be its secret. {HOW_TO_FIX}"
    if outcome.doubtful:
        return f"but the value stored in {outcome.location} may not be its secret. {HOW_TO_FIX}"
    return f"and its secret is stored in {outcome.location}."


@contextmanager
def nothing_sent(
    why: str = "the secret, which the service shows only once, could not be stored",
) -> Iterator[None]:
    """Turn an error of a store or the journal into a refusal of the call.

    Raises:
        InvalidRequest: a store or the journal failed.
    """
    try:
        yield
    except StoreError as error:
        refusal = InvalidRequest(f"Nothing was sent: {why}. {error}")
        refusal.hint = "The operator has to repair that first."
        raise refusal from None
