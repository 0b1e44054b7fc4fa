"""Every act that makes a client secret, moves it or ends it, at the service and in the store alike.

Until anything is recorded or sent, the caller can give up. From then on the work belongs to the
process: nothing that happens to the caller interrupts it.
"""

import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any, Literal, Self, TypeVar

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

NO_TURN = "it could not be seen to that no other rotation is under way"


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

        async def call() -> AppWithClientSecret:
            return (await self.api.create(request)).connected_app

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

    async def start_rotation(self, client_id: str, *, revealed: bool) -> CapturedSecret:
        """Start a rotation and keep the next secret. Raises like `create`."""

        async def call() -> AppWithNextClientSecret:
            # The next secret will be kept in place of an earlier one, which must not be current.
            if self.store.keeps:
                app = (await self.api.get(client_id)).connected_app
                with nothing_sent():
                    await self.catch_up(app)
            return (await self.api.start_rotation(client_id)).connected_app

        return await self._show(
            self._in_turn,
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
        self,
        client_id: str,
        *,
        forced: bool = False,
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> tuple[ConnectedApp, bool]:
        """Complete a rotation, and make the next secret that is kept the current one.

        When its turn has come, `admit` may refuse it still. Where it is forced although the next
        secret is not kept, the dead one is forgotten.

        Returns:
            The app, and whether its current secret is kept now.
        """
        intent = self._intent("complete_secret_rotation", client_id, forced=forced)

        async def work() -> tuple[ConnectedApp, bool]:
            if admit:
                await admit()
            async with self.capture.intending(intent):
                try:
                    app = (await self.api.complete_rotation(client_id)).connected_app
                except ConnectedAppsError as error:
                    if not error.may_have_taken_effect:
                        await self.capture.remove_intent(intent)
                        raise
                    app = await self._completed_after_all(client_id, error)
                kept = False
                with suppress(StoreError):  # the intent stands then, and recovery tries again
                    kept = await self._follow(app, forced=forced)
                    if kept or forced:
                        await self.capture.remove_intent(intent)
                return app, kept

        return await self._in_turn(work)

    async def cancel_rotation(self, client_id: str) -> tuple[ConnectedApp, StoreError | None]:
        """Cancel a rotation and forget the next secret; says why that may have failed."""

        async def work() -> tuple[ConnectedApp, StoreError | None]:
            await self.api.get(client_id)  # is it the app of this very id?
            app = (await self.api.cancel_rotation(client_id)).connected_app
            try:
                # What is kept as next may be current already, where completing went wrong.
                await self.catch_up(app)
                await self.store.forget(client_id, "next")
            except StoreError as error:
                return app, error
            return app, None

        return await self._in_turn(work)

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

        return await self._in_turn(work)

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

    async def delete(self, client_id: str) -> StoreError | None:
        """Delete an app and forget its secrets; says why that may have failed.

        The secrets of an app that is gone already are forgotten too.
        """

        async def work() -> StoreError | None:
            try:
                await self.api.delete(client_id)
            except NotFound:
                await self.forget_all(client_id)
                raise
            return await self.forget_all(client_id)

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

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it uninterrupted, as the only one who rotates: here, and in every process of the user.

        Else what one has just kept could be what another is about to forget. A caller that goes
        away before its turn comes has asked for nothing.
        """
        with ExitStack() as turn:
            turn.callback(os.close, await self._take_turn())
            return await self._uninterrupted(work, turn)

    async def _take_turn(self) -> int:
        give_up_at = anyio.current_time() + TURN_SECONDS
        with nothing_sent(NO_TURN):
            while (turn := await in_thread(self.journal.take_turn, leave=_pass_on)) is None:
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
        outcome: list[T | Exception] = []
        done = anyio.Event()

        async def run() -> None:
            with anyio.CancelScope(shield=True), owned:
                try:
                    outcome.append(await work())
                except Exception as error:  # noqa: BLE001 - the caller gets it, whatever it is
                    outcome.append(error)
            done.set()

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
