"""Creates, rotates and ends client secrets, at the service and in the store.

A caller can cancel until an intent is recorded or a request is sent. After that the process
finishes the work, whatever happens to the caller.
"""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Literal, NamedTuple, Self, TypeVar

from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import (
    App,
    AppWithClientSecret,
    AppWithNextClientSecret,
    ConnectedApp,
    CreateApp,
)
from connected_apps_tools.deadline import seconds_left, without_deadline
from connected_apps_tools.errors import ConnectedAppsError, InvalidRequest, NotFound
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.waiting import wait_for_lock

from .capture import CapturedSecret, IssuingCall, SecretCapture, nothing_sent
from .fallback_store import FallbackStore
from .journal import Act, Intent, Journal
from .uninterrupted import UninterruptedWork

A = TypeVar("A", bound=App)
T = TypeVar("T")

Completion = Literal["settled", "open", "lost"]
"""The state of a completion with an unknown outcome: settled; open, since it may still take
effect; or lost, since the current secret is not stored here.
"""

ROTATION_LOCK_SECONDS = 60.0
"""Timeout of one rotation that waits for another (seconds). The deadline may end it earlier."""

NO_LOCK = "rotations could not be locked, and another rotation may be under way"


class CompletedRotation(NamedTuple):
    """A completed rotation.

    Attributes:
        app: the app.
        stored: whether its current secret is stored now.
        request_id: the service's id of the request; None if only its effect was seen.
    """

    app: ConnectedApp
    stored: bool
    request_id: str | None


class CancelledRotation(NamedTuple):
    """A cancelled rotation.

    Attributes:
        app: the app.
        problem: why the discarded secret may still be stored.
        request_id: the service's id of the request.
    """

    app: ConnectedApp
    problem: StoreError | None
    request_id: str


class DeletedSecrets(NamedTuple):
    """A deleted app.

    Attributes:
        problem: why its secrets may still be stored.
        request_id: the service's id of the request; None if an earlier attempt did it.
    """

    problem: StoreError | None
    request_id: str | None


class SecretLifecycle:
    """Changes secrets at the service and in the store. Use it as an async context manager.

    Leaving it waits for the work that is under way.

    Attributes:
        api: the client of the service.
        journal: the intents.
        store: the stored secrets.
        capture: runs calls in which the service shows a secret.
    """

    def __init__(self, api: ConnectedAppsClient, journal: Journal, store: FallbackStore) -> None:
        self.api = api
        self.journal = journal
        self.store = store
        self.capture = SecretCapture(api, journal, store)
        self._work = UninterruptedWork()

    async def __aenter__(self) -> Self:
        await self._work.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._work.__aexit__()
        self.journal.close()

    async def create(self, request: CreateApp) -> CapturedSecret:
        """Create a confidential app and store its secret.

        Raises:
            ConnectedAppsError: it was refused, it failed, or its outcome is unknown.
        """

        async def call() -> tuple[AppWithClientSecret, str]:
            response = await self.api.create(request)
            return response.connected_app, response.request_id

        return await self._issue(
            self._work.run,
            IssuingCall(
                self._intent(
                    "create_app",
                    client_name=request.client_name or "",
                    client_type=request.client_type,
                ),
                "current",
                call,
                lambda app: app.client_secret,
                lambda app: app.client_secret_last_four,
                self.api.delete,
                "The app was deleted again",
            ),
            revealed=request.reveals,
        )

    async def start_rotation(
        self,
        client_id: str,
        *,
        revealed: bool,
        app: ConnectedApp | None = None,
        lock: ExitStack | None = None,
    ) -> CapturedSecret:
        """Start a rotation and store the next secret. Raises like `create`.

        Args:
            client_id: the app.
            revealed: whether the caller gets the secret.
            app: the app as it was read under the lock; if None, it is read here.
            lock: from `rotation_lock`; if None, this waits for one.
        """

        async def call() -> tuple[AppWithNextClientSecret, str]:
            # The next secret replaces an earlier one, which must not be current.
            if self.store.has_store:
                before = app or (await self.api.get(client_id)).connected_app
                with nothing_sent():
                    await self.sync_current(before)
            response = await self.api.start_rotation(client_id)
            return response.connected_app, response.request_id

        return await self._issue(
            partial(self._locked, lock=lock),
            IssuingCall(
                self._intent("start_secret_rotation", client_id),
                "next",
                call,
                lambda app: app.next_client_secret,
                lambda app: app.next_client_secret_last_four,
                self.api.cancel_rotation,
                "The rotation was cancelled again",
            ),
            revealed=revealed,
        )

    async def complete_rotation(
        self, client_id: str, *, forced: bool = False, lock: ExitStack | None = None
    ) -> CompletedRotation:
        """Complete a rotation, and make the stored next secret the current one.

        With `forced` the next secret need not be stored; the stored current one is then removed.
        """
        intent = self._intent("complete_secret_rotation", client_id, forced=forced)

        async def work() -> CompletedRotation:
            async with self.capture.recorded(intent):
                request_id = None
                try:
                    response = await self.api.complete_rotation(client_id)
                    app, request_id = response.connected_app, response.request_id
                except ConnectedAppsError as error:
                    if not error.may_have_taken_effect:
                        await self.capture.remove_intent(intent)
                        raise
                    app = await self._read_if_completed(client_id, error)
                stored = False
                with suppress(StoreError):  # the intent stays, and recovery tries again
                    stored = await self._sync_after_completion(app, forced=forced)
                    if stored or forced:
                        await self.capture.remove_intent(intent)
                return CompletedRotation(app, stored, request_id)

        return await self._locked(work, lock)

    async def cancel_rotation(
        self, client_id: str, *, lock: ExitStack | None = None
    ) -> CancelledRotation:
        """Cancel a rotation and remove the stored next secret."""

        async def work() -> CancelledRotation:
            response = await self.api.cancel_rotation(client_id)
            app, problem = response.connected_app, None
            try:
                # The stored next secret may be current already, if completing went wrong.
                await self.sync_current(app)
                await self.store.remove(client_id, "next")
            except StoreError as error:
                problem = error
            return CancelledRotation(app, problem, response.request_id)

        return await self._locked(work, lock)

    async def recover_completion(self, client_id: str, *, forced: bool) -> Completion:
        """Update the store after a completion with an unknown outcome; return its state.

        Raises like `sync_current`.
        """

        async def work() -> Completion:
            app = await self.api.find(client_id)
            if app is None:
                return "settled"
            upcoming = app.next_client_secret_last_four
            # A rotation under way was not completed, or is a later one.
            stored = await self._sync_after_completion(app, forced=forced and not upcoming)
            if not upcoming:
                return "settled" if stored or forced else "lost"
            known = stored or forced or await self.store.find(client_id, "next", upcoming)
            return "open" if known else "lost"

        return await self._locked(work)

    async def _sync_after_completion(self, app: ConnectedApp, *, forced: bool) -> bool:
        """Update the store after a completion; return whether the current secret is stored.

        If it was forced, the current secret is known elsewhere, and the stored ones are invalid.
        """
        stored = await self.sync_current(app)
        if forced and not stored:
            await self.store.remove(app.client_id)
        return stored

    async def _read_if_completed(self, client_id: str, failure: ConnectedAppsError) -> ConnectedApp:
        try:
            with without_deadline():
                app = (await self.api.get(client_id)).connected_app
            stored = await self.store.find(client_id, "next", app.client_secret_last_four)
        except (ConnectedAppsError, StoreError):
            raise failure from None
        if stored:
            return app
        raise failure

    async def sync_current(self, app: ConnectedApp) -> bool:
        """Make the stored next secret the current one, if the service has done so.

        Returns:
            Whether the current secret is stored now.

        Raises:
            StoreError: a store failed, or none took the secret.
        """
        upcoming = await self.store.find(app.client_id, "next", app.client_secret_last_four)
        if upcoming:
            if await self.store.put(app.client_id, "current", upcoming.secret) is None:
                raise StoreError("no store took the secret that is now current")
            await self.store.remove(app.client_id, "next")
            return True
        return bool(await self.store.find(app.client_id, "current", app.client_secret_last_four))

    async def delete(self, client_id: str) -> DeletedSecrets:
        """Delete an app and remove its stored secrets, also if the app does not exist.

        Raises:
            ConnectedAppsError: the app could not be deleted.
        """

        async def work() -> DeletedSecrets:
            try:
                request_id = await self.api.delete(client_id)
            except NotFound:
                await self.remove_secrets(client_id)
                raise
            return DeletedSecrets(await self.remove_secrets(client_id), request_id)

        return await self._work.run(work)

    async def remove_secrets(self, client_id: str) -> StoreError | None:
        """Remove the stored secrets of a deleted app; return why that may have failed."""
        try:
            await self.store.remove(client_id)
        except StoreError as error:
            return error
        return None

    async def uninterrupted(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run work with a secret so that it goes on if the caller is cancelled. Raises like it."""
        return await self._work.run(work)

    def _intent(self, act: Act, client_id: str | None = None, **more: Any) -> Intent:  # noqa: ANN401
        api = self.api
        return Intent(
            act=act, project_id=api.project_id, origin=api.origin, client_id=client_id, **more
        )

    def is_same_service(self, intent: Intent) -> bool:
        """Whether an intent is for this service. Earlier versions did not record the service."""
        return intent.origin in {None, self.api.origin}

    async def _issue(
        self,
        run_work: Callable[[Callable[[], Awaitable[CapturedSecret]]], Awaitable[CapturedSecret]],
        issuing: IssuingCall[A],
        *,
        revealed: bool,
    ) -> CapturedSecret:
        await self.capture.prove_writable(revealed=revealed)
        captured = await run_work(lambda: self.capture.run(issuing))
        if not self.store.has_store and captured.secret and not captured.doubtful:
            # The caller gets the only copy. If it were gone, the intent would stay.
            await self.capture.remove_intent(issuing.intent)
        return captured

    async def rotation_lock(self) -> ExitStack:
        """Lock rotations of all processes of the user until the returned stack is closed.

        Without it, one process could remove the secret that another one has just stored. A caller
        that is cancelled while it waits has changed nothing.

        Raises:
            InvalidRequest: another rotation did not end in time.
        """
        with nothing_sent(NO_LOCK):
            lock = await wait_for_lock(
                self.journal.try_rotation_lock, min(ROTATION_LOCK_SECONDS, seconds_left())
            )
        if lock is None:
            refusal = InvalidRequest("Nothing was sent: another rotation has not ended.")
            refusal.transient, refusal.hint = True, "Try again in a moment."
            raise refusal
        return lock

    async def _locked(self, work: Callable[[], Awaitable[T]], lock: ExitStack | None = None) -> T:
        """Run the work uninterrupted, under a rotation lock that ends with it."""
        with lock or await self.rotation_lock() as held:
            return await self._work.run(work, held)
