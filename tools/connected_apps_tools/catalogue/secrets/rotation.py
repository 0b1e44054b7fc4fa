"""The tools that rotate client secrets, and the one that shows a stored one.

An app that is rotating has a next secret. Starting adds it, completing makes it the only one,
cancelling drops it.
"""

from functools import partial
from typing import Annotated, Any, Literal

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import (
    App,
    CompleteRotation,
    ConnectedApp,
    OneApp,
    OneAppRevealing,
    Result,
    RevealClientSecret,
    Touched,
    is_confidential,
)
from connected_apps_tools.catalogue.types.app_view import (
    LOOSE,
    MAX_TEXT,
    rotating,
)
from connected_apps_tools.catalogue.types.secret_view import ClientSecret, describe_secret
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest, ServiceError
from connected_apps_tools.plan import Performed, Plan, returning
from connected_apps_tools.safety.question import Audience, Question, facts_about
from connected_apps_tools.secrets.checking import check_stored
from connected_apps_tools.secrets.stores import StoredSecret, Which
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.printable import printable
from connected_apps_tools.tool import Effect, Tool

START = "To replace the secret, use start_secret_rotation."
FINISH = (
    "Both secrets work now. Put the next one wherever the app runs, then use "
    "complete_secret_rotation; or drop it with cancel_secret_rotation."
)
AGAIN = (
    "The next secret is not stored here. Unless the user has it, use cancel_secret_rotation and "
    "start again."
)
DIFFERS = "The next secret that is stored here differs from the service's."
TRY_AGAIN = "Wait a moment, then try again. "
RENEW = (
    "Use cancel_secret_rotation and start_secret_rotation to get a next secret that is stored and "
    "works. "
)
FORCE = "Force it only where the user confirms that the app works with the next secret."
NOT_STORED = "The current secret is not stored as such yet: the server will try again. "
ALREADY = "A rotation was under way already, so nothing changed and there is no new secret. "


class Rotation(Result):
    """The state of an app's secrets."""

    client_id: str
    state: Literal["rotating", "not_rotating"]
    client_secret_last_four: str | None = None
    next_client_secret_last_four: str | None = None
    next_client_secret: Annotated[ClientSecret | None, LOOSE] = None
    next_step: str

    @property
    def revealed(self) -> str | None:
        """The next secret."""
        return self.next_client_secret.value if self.next_client_secret else None

    @property
    def touched(self) -> Touched:
        """The app."""
        return Touched(self.client_id)


def _rotation_of(
    app: App, *, said: str = "", step: str = FINISH, secret: ClientSecret | None = None
) -> Rotation:
    rotating = app.next_client_secret_last_four is not None or secret is not None
    upcoming = app.next_client_secret_last_four or (secret.last_four if secret else None)
    return Rotation(
        client_id=printable(app.client_id, MAX_TEXT),
        state="rotating" if rotating else "not_rotating",
        client_secret_last_four=printable(app.client_secret_last_four or "", MAX_TEXT) or None,
        next_client_secret_last_four=printable(upcoming or "", MAX_TEXT) or None,
        next_client_secret=secret,
        next_step=said + (step if rotating else START),
    )


async def start_secret_rotation(context: ToolContext, request: OneApp) -> Plan[Rotation]:
    """Give an app a next client secret, beside the current one.

    Both work until complete_secret_rotation makes the next one current, or cancel_secret_rotation
    drops it. The next secret is stored, not returned; the result gives its location and last four
    characters. A person may be asked before it is shown. Where a rotation is under way already,
    nothing changes and the result says so.
    """
    app = await context.read_app(request.client_id)
    shows = request.reveals and is_confidential(app.client_type) and not rotating(app)
    return Plan(
        perform=partial(_start, context, app, shows=shows),
        question=_showing(context.server.audience, app, "next") if shows else None,
    )


async def _start(context: ToolContext, app: ConnectedApp, *, shows: bool) -> Performed[Rotation]:
    try:
        started = await context.secrets.start_rotation(
            app.client_id, revealed=shows, app=app, lock=context.rotation_lock
        )
    except ServiceError as error:
        if error.error_type != "connected_app_already_rotating_secret":
            raise
        return Performed(await _under_way(context, app.client_id))
    secret = describe_secret(context.server, started, reveal=shows, which="next")
    return Performed(_rotation_of(started.app, secret=secret), started.request_id)


async def _under_way(context: ToolContext, client_id: str) -> Rotation:
    app = (await context.api.get(client_id)).connected_app
    upcoming = app.next_client_secret_last_four
    try:
        stored = await context.secrets.store.find(client_id, "next", upcoming)
    except StoreError as error:
        return _rotation_of(
            app, said=f"{ALREADY}Whether the next one is stored cannot be read: {error}. "
        )
    return _rotation_of(app, said=ALREADY, step=FINISH if stored else AGAIN)


async def complete_secret_rotation(
    context: ToolContext, request: CompleteRotation
) -> Plan[Rotation]:
    """Make an app's next client secret the only one; the current one stops working at once.

    Do it when the next secret is in use wherever the app runs. A person may be asked first. It is
    refused unless the next secret is stored here and the service accepts it, because no known
    secret would be left.
    """
    app = await context.read_app(request.client_id)
    perform = partial(_complete, context, request)
    if not is_confidential(app.client_type):
        return Plan(perform=perform)  # the service refuses it, in better words
    _require_rotating(app)
    if not request.force:
        await _require_working(context, app)
    return Plan(perform=perform, question=_ending_the_current(app, request))


def _require_rotating(app: ConnectedApp) -> None:
    """Refuse if no rotation is under way: one that starts now would be completed unasked."""
    if not rotating(app):
        refusal = InvalidRequest("Nothing was sent: no rotation of this app is under way.")
        refusal.hint = START
        raise refusal


def _ending_the_current(app: ConnectedApp, request: CompleteRotation) -> Question:
    secrets = [
        ("Secret that ends", f"…{app.client_secret_last_four}"),
        ("Secret that stays", f"…{app.next_client_secret_last_four}"),
    ]
    if request.force:
        secrets.append(("Not seen working; forced by the caller because", request.reason or ""))
    return Question(
        "Complete the rotation of this app's client secret?",
        [*facts_about(app), *secrets],
        "Whatever still uses the secret that ends stops working at once.",
        version_of(app),
    )


async def _complete(context: ToolContext, request: CompleteRotation) -> Performed[Rotation]:
    app, stored, request_id = await context.secrets.complete_rotation(
        request.client_id, forced=request.force, lock=context.rotation_lock
    )
    return Performed(_rotation_of(app, said="" if stored else NOT_STORED), request_id)


async def _require_working(context: ToolContext, app: ConnectedApp) -> None:
    """Refuse unless the next secret is stored here, and the service accepts it."""
    checked = await check_stored(context.api, context.secrets.store, app.client_id, "next")
    why = checked.why
    if checked.stored and checked.stored.last_four != app.next_client_secret_last_four:
        why = DIFFERS
    elif checked.state == "alive":
        return
    refusal = InvalidRequest(f"Nothing was changed: no known secret may be left. {why}")
    refusal.transient = checked.transient
    refusal.hint = (TRY_AGAIN if checked.transient else RENEW) + FORCE
    raise refusal


async def cancel_secret_rotation(context: ToolContext, request: OneApp) -> Plan[Rotation]:
    """Drop an app's next client secret; the current one stays. No person is asked.

    Whatever uses the next secret already stops working.
    """
    app = await context.read_app(request.client_id)
    return Plan(perform=partial(_cancel, context, app.client_id))


async def _cancel(context: ToolContext, client_id: str) -> Performed[Rotation]:
    app, problem, request_id = await context.secrets.cancel_rotation(
        client_id, lock=context.rotation_lock
    )
    said = f"The dropped secret is still stored: {problem}. " if problem else ""
    return Performed(_rotation_of(app, said=said), request_id)


class RevealedSecret(Result):
    """A stored secret, shown."""

    client_id: str
    which: Literal["current", "next"]
    value: str
    stored_at: str
    note: str | None = None

    @property
    def revealed(self) -> str | None:
        """The secret."""
        return self.value


async def reveal_client_secret(
    context: ToolContext, request: RevealClientSecret
) -> Plan[RevealedSecret]:
    """Show a client secret that is stored here, and so put it into this conversation.

    Use it only when the user asked to see the secret. A person may be asked first. Whoever can run
    commands on this machine can read it without that: connected-apps-mcp secrets show, or secrets
    run to hand it to a program.
    """
    app = await context.read_app(request.client_id)
    stored = await stored_secret(context, request)
    shown = RevealedSecret(
        client_id=request.client_id,
        which=request.which,
        value=stored.secret.get_secret_value(),
        stored_at=stored.stored_at.isoformat(timespec="seconds"),
        note=note_on(app, stored),
    )
    return Plan(
        perform=returning(shown), question=_showing(context.server.audience, app, request.which)
    )


def note_on(app: ConnectedApp, stored: StoredSecret) -> str | None:
    """What has to be said about a stored secret that is shown, if anything."""
    if stored.last_four == last_four_at_service(app, stored.which):
        return None
    return "The service's secret is another one by now."


def last_four_at_service(app: ConnectedApp, which: Which) -> str | None:
    """The last four characters of a secret, as the service shows them."""
    return app.client_secret_last_four if which == "current" else app.next_client_secret_last_four


async def stored_secret(context: ToolContext, request: RevealClientSecret) -> StoredSecret:
    """The stored secret that a request is about.

    Raises:
        InvalidRequest: it is not stored here, or the store cannot be read.
    """
    try:
        stored = await context.secrets.store.get(request.client_id, request.which)
    except StoreError as error:
        raise InvalidRequest(f"The secret store cannot be read: {error}.") from None
    if stored is None:
        missing = InvalidRequest(f"No {request.which} secret of this app is stored here.")
        missing.hint = START
        raise missing
    return stored


def _showing(audience: Audience, app: ConnectedApp, which: str) -> Question:
    return Question(
        f"Show the {which} client secret of this app {audience.place}?",
        facts_about(app),
        audience.consequence,
        version_of(app),
    )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        start_secret_rotation,
        "Start a secret rotation",
        OneApp,
        Rotation,
        Effect.ADDS,
        revealing=OneAppRevealing,
        touches="client_id",
        turn="rotation",
        about="secrets",
    ),
    Tool(
        complete_secret_rotation,
        "Complete a secret rotation",
        CompleteRotation,
        Rotation,
        Effect.DESTROYS,
        touches="client_id",
        turn="rotation",
        about="secrets",
    ),
    Tool(
        cancel_secret_rotation,
        "Cancel a secret rotation",
        OneApp,
        Rotation,
        Effect.DESTROYS,
        touches="client_id",
        turn="rotation",
        about="secrets",
    ),
    Tool(
        reveal_client_secret,
        "Reveal a client secret",
        RevealClientSecret,
        RevealedSecret,
        Effect.REVEALS,
        about="secrets",
    ),
)
