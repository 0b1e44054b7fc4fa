"""Every act that makes a client secret, moves it or ends it, at the service and in the store alike.

Until anything is recorded or sent, the caller can give up. From then on the work belongs to the
process: nothing that happens to the caller interrupts it.
"""

import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Literal, NamedTuple, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import (
    App,
    AppWithClientSecret,
    AppWithNextClientSecret,
    ConnectedApp,
    CreateApp,
)
from connected_apps_tools.deadline import without_deadline
from connected_apps_tools.errors import ConnectedAppsError, InvalidRequest, NotFound
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread

from .capture import CapturedSecret, IssuingCall, SecretCapture, nothing_sent
from .fallback_store import FallbackStore
from .journal import Act, Intent, Journal

A = TypeVar("A", bound=App)
T = TypeVar("T")

Completion = Literal["settled", "open", "lost"]
"""How a completion stands that may have been carried out: done with, not done yet, or with a
current secret that is not kept here.
"""

TURN_SECONDS = 60.0
"""How long one rotation waits for another to end."""

MAX_UNDER_WAY = 200
"""Works under way at once. They go on when their callers are gone, so only this bounds them."""

NO_TURN = "it could not be seen to that no other rotation is under way"


class CompletedRotation(NamedTuple):
    """What came of completing a rotation.

    Attributes:
        app: the app.
        stored: whether its current secret is stored now.
        request_id: the service's name for the request; None where only its effect was seen.
    """

    app: ConnectedApp
    stored: bool
    request_id: str | None


class CancelledRotation(NamedTuple):
    """What came of cancelling a rotation.

    Attributes:
        app: the app.
        problem: why the dropped secret may still be stored.
        request_id: the service's name for the request.
    """

    app: ConnectedApp
    problem: StoreError | None
    request_id: str


class DeletedSecrets(NamedTuple):
    """What came of deleting an app.

    Attributes:
        problem: why its secrets may still be stored.
        request_id: the service's name for the request; None where an earlier attempt did it.
    """

    problem: StoreError | None
    request_id: str | None


class SecretLifecycle:
    """The way between the service and the store. Use it as an async context manager.

    Leaving it waits for the work that is under way.
    """

    def __init__(self, api: ConnectedAppsClient, journal: Journal, store: FallbackStore) -> None:
        self.api = api
        self.journal = journal
        self.store = store
        self.capture = SecretCapture(api, journal, store)
        self._work: TaskGroup = anyio.create_task_group()
        self._under_way = 0

    async def __aenter__(self) -> Self:
        await self._work.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        # Its own failures are none of the group's, which would wrap them.
        await self._work.__aexit__(None, None, None)
        self.journal.close()

    async def create(self, request: CreateApp) -> CapturedSecret:
        """Create a confidential app and keep its secret.

        Raises:
            ConnectedAppsError: it was refused, it failed, or it is not known whether it was done.
        """

        async def call() -> tuple[AppWithClientSecret, str]:
            response = await self.api.create(request)
            return response.connected_app, response.request_id

        return await self._show(
            self._uninterrupted,
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
            app: the app as it was read under the lock; without it, it is read here.
            lock: from `rotation_lock`; without it, the work waits for one.
        """

        async def call() -> tuple[AppWithNextClientSecret, str]:
            # The next secret takes the place of an earlier one, which must not be current.
            if self.store.keeps:
                before = app or (await self.api.get(client_id)).connected_app
                with nothing_sent():
                    await self.catch_up(before)
            response = await self.api.start_rotation(client_id)
            return response.connected_app, response.request_id

        return await self._show(
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
            async with self.capture.intending(intent):
                request_id = None
                try:
                    response = await self.api.complete_rotation(client_id)
                    app, request_id = response.connected_app, response.request_id
                except ConnectedAppsError as error:
                    if not error.may_have_taken_effect:
                        await self.capture.remove_intent(intent)
                        raise
                    app = await self._completed_after_all(client_id, error)
                stored = False
                with suppress(StoreError):  # the intent stands then, and recovery tries again
                    stored = await self._follow(app, forced=forced)
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
                # What is stored as next may be current already, where completing went wrong.
                await self.catch_up(app)
                await self.store.forget(client_id, "next")
            except StoreError as error:
                problem = error
            return CancelledRotation(app, problem, response.request_id)

        return await self._locked(work, lock)

    async def mend_completion(self, client_id: str, *, forced: bool) -> Completion:
        """Catch up with a rotation that may have been completed, and say how it stands.

        Raises like `catch_up`.
        """

        async def work() -> Completion:
            app = await self.api.find(client_id)
            if app is None:
                return "settled"
            upcoming = app.next_client_secret_last_four
            # While it is rotating it was not completed, or another rotation has begun since.
            kept = await self._follow(app, forced=forced and not upcoming)
            if not upcoming:
                return "settled" if kept or forced else "lost"
            safe = kept or forced or await self.store.find(client_id, "next", upcoming)
            return "open" if safe else "lost"

        return await self._locked(work)

    async def _follow(self, app: ConnectedApp, *, forced: bool) -> bool:
        """Do with what is kept as a completed rotation did; says whether the current one is kept.

        Where it was forced, whoever forced it has the current one, and what is kept is dead.
        """
        kept = await self.catch_up(app)
        if forced and not kept:
            await self.store.forget(app.client_id)
        return kept

    async def _completed_after_all(self, client_id: str, doubt: ConnectedAppsError) -> ConnectedApp:
        try:
            with without_deadline():
                app = (await self.api.get(client_id)).connected_app
            kept = await self.store.find(client_id, "next", app.client_secret_last_four)
        except (ConnectedAppsError, StoreError):
            raise doubt from None
        if kept:
            return app
        raise doubt

    async def catch_up(self, app: ConnectedApp) -> bool:
        """Make the next secret that is kept the current one, if the service has done so.

        Returns:
            Whether the current secret is kept now.

        Raises:
            StoreError: a store could not be asked, or none took the secret.
        """
        upcoming = await self.store.find(app.client_id, "next", app.client_secret_last_four)
        if upcoming:
            if await self.store.keep(app.client_id, "current", upcoming.secret) is None:
                raise StoreError("no store took the secret that is current now")
            await self.store.forget(app.client_id, "next")
            return True
        return bool(await self.store.find(app.client_id, "current", app.client_secret_last_four))

    async def delete(self, client_id: str) -> DeletedSecrets:
        """Delete an app and remove its stored secrets, also those of an app that is gone already.

        Raises:
            ConnectedAppsError: the app could not be deleted.
        """

        async def work() -> DeletedSecrets:
            try:
                request_id = await self.api.delete(client_id)
            except NotFound:
                await self.forget_all(client_id)
                raise
            return DeletedSecrets(await self.forget_all(client_id), request_id)

        return await self._uninterrupted(work)

    async def forget_all(self, client_id: str) -> StoreError | None:
        """Forget the secrets of an app that is gone; says why that may have failed."""
        try:
            await self.store.forget(client_id)
        except StoreError as error:
            return error
        return None

    def _intent(self, act: Act, client_id: str | None = None, **more: Any) -> Intent:  # noqa: ANN401
        api = self.api
        return Intent(
            act=act, project_id=api.project_id, origin=api.origin, client_id=client_id, **more
        )

    def can_look_into(self, intent: Intent) -> bool:
        """Whether our service is the one that was asked; earlier versions did not note which."""
        return intent.origin in {None, self.api.origin}

    async def _show(
        self,
        do: Callable[[Callable[[], Awaitable[CapturedSecret]]], Awaitable[CapturedSecret]],
        handover: IssuingCall[A],
        *,
        revealed: bool,
    ) -> CapturedSecret:
        await self.capture.prove_writable(revealed=revealed)
        kept = await do(lambda: self.capture.receive(handover))
        if not self.store.keeps and kept.secret and not kept.doubtful:
            # The caller has the only copy; had it gone meanwhile, the intent would stand.
            await self.capture.remove_intent(handover.intent)
        return kept

    async def rotation_lock(self) -> ExitStack:
        """Keep every other rotation out, of this and every process of the user, until it is closed.

        Without it, one process could remove the secret that another has just stored. A caller that
        is cancelled while it waits has asked for nothing.

        Raises:
            InvalidRequest: another rotation did not end in time.
        """
        lock = ExitStack()
        lock.callback(os.close, await self._take_turn())
        return lock

    async def _locked(self, work: Callable[[], Awaitable[T]], lock: ExitStack | None = None) -> T:
        """Do it uninterrupted and under a rotation lock, which ends with the work."""
        with lock or await self.rotation_lock() as held:
            return await self._uninterrupted(work, held)

    async def _take_turn(self) -> int:
        give_up_at = anyio.current_time() + TURN_SECONDS
        with nothing_sent(NO_TURN):
            while (turn := await in_thread(self.journal.take_turn, on_abandoned=_pass_on)) is None:
                if anyio.current_time() > give_up_at:
                    late = "Nothing was sent: another rotation does not come to its end."
                    refusal = InvalidRequest(late)
                    refusal.transient, refusal.hint = True, "Try again in a moment."
                    raise refusal
                await anyio.sleep(0.05)
        return turn

    async def _uninterrupted(
        self, work: Callable[[], Awaitable[T]], held: ExitStack | None = None
    ) -> T:
        """Do it as the process's own, so that the end of the caller is not the end of it.

        What is `held` meanwhile is let go of with the work, and no sooner.
        """
        if self._under_way >= MAX_UNDER_WAY:
            refusal = InvalidRequest("Nothing was sent: too many changes of secrets are under way.")
            refusal.transient, refusal.hint = True, "Wait a moment, then try again."
            raise refusal
        outcome: list[T | Exception] = []
        done = anyio.Event()

        async def run() -> None:
            with anyio.CancelScope(shield=True), owned:
                try:
                    outcome.append(await work())
                except Exception as error:  # noqa: BLE001 - the caller gets it, whatever it is
                    outcome.append(error)
                finally:
                    self._under_way -= 1
            done.set()

        self._under_way += 1
        self._work.start_soon(run)
        owned = held.pop_all() if held else ExitStack()  # it will run now, whatever happens here
        await done.wait()
        (result,) = outcome
        if isinstance(result, Exception):
            raise result
        return result


def _pass_on(unwanted: Future[int | None]) -> None:
    """Give a turn back that comes when nobody waits for it any more."""

    def close(outcome: Future[int | None]) -> None:
        if not outcome.exception() and (turn := outcome.result()) is not None:
            os.close(turn)

    unwanted.add_done_callback(close)
