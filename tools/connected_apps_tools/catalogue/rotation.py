"""The tools that rotate client secrets, and the one that shows a kept one.

An app is rotating or it is not; the two last fours tell. Starting adds a next secret, completing
makes it the only one, cancelling drops it.
"""

from functools import partial
from typing import Annotated, Any, Literal

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
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest, ServiceError
from connected_apps_tools.safety.question import WHO_WILL_KNOW, Question, about
from connected_apps_tools.secrets.stores import StoredSecret
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.printable import printable
from connected_apps_tools.tool import Effect, Tool

from .app_view import (
    LOOSE,
    MAX_TEXT,
    require_as_approved,
    require_still_harmless,
    rotating,
    version_of,
)
from .secret_answer import ClientSecret, describe_secret

START = "To replace the secret, use start_secret_rotation."
FINISH = (
    "Both secrets work now. Put the next one wherever the app runs, then use "
    "complete_secret_rotation; or drop it with cancel_secret_rotation."
)
AGAIN = (
    "The next secret is not kept here: unless the user has it, use cancel_secret_rotation and "
    "start again."
)
NOT_KEPT = "The secret that is current now is not kept here as such: the server will try again. "
ALREADY = "A rotation was under way already, so nothing was changed and no new secret exists. "


class Rotation(Result):
    """How the secrets of an app stand."""

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
        """The app whose secrets these are."""
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


async def start_secret_rotation(context: ToolContext, request: OneApp) -> Rotation:
    """Give an app a next client secret, beside the current one.

    Both work until complete_secret_rotation makes the next one current, or cancel_secret_rotation
    drops it. The next secret is kept where the answer says, and is not in the answer. Where a
    rotation is under way already, nothing changes and the answer says how it stands.
    """
    reveals = request.reveals and not request.harmless
    try:
        kept = await context.secrets.start_rotation(request.client_id, revealed=reveals)
    except ServiceError as error:
        if error.error_type != "connected_app_already_rotating_secret":
            raise
        return await _under_way(context, request.client_id)
    return _rotation_of(
        kept.app, secret=describe_secret(context.server, kept, reveal=reveals, which="next")
    )


async def _under_way(context: ToolContext, client_id: str) -> Rotation:
    app = (await context.api.get(client_id)).connected_app
    upcoming = app.next_client_secret_last_four
    try:
        kept = await context.secrets.store.find(client_id, "next", upcoming)
    except StoreError as error:
        return _rotation_of(
            app, said=f"{ALREADY}Whether the next one is kept cannot be read: {error}. "
        )
    return _rotation_of(app, said=ALREADY, step=FINISH if kept else AGAIN)


async def complete_secret_rotation(context: ToolContext, request: CompleteRotation) -> Rotation:
    """Make an app's next client secret the only one; the current one stops working at once.

    Do it when the next secret is in use wherever the app runs. It is refused where the next secret
    is not kept here, since that would kill the only known one.
    """
    app, kept = await context.secrets.complete_rotation(
        request.client_id,
        forced=request.force,
        admit=partial(_require_as_asked, context, request),
    )
    return _rotation_of(app, said="" if kept else NOT_KEPT)


async def _require_as_asked(context: ToolContext, request: CompleteRotation) -> None:
    app = (await context.api.get(request.client_id)).connected_app
    require_as_approved(app, request)
    require_still_harmless(request, harmless=not rotating(app))
    if not request.force:
        await _require_kept(context, app)


async def _require_kept(context: ToolContext, app: ConnectedApp) -> None:
    upcoming = app.next_client_secret_last_four
    if upcoming is None:
        return  # the service has the better words for it
    try:
        kept = await context.secrets.store.get(app.client_id, "next")
    except StoreError as error:
        raise _refused(f"the secret store cannot be read ({error})") from None
    if kept is None:
        raise _refused("the next secret is not kept here")
    if kept.last_four != upcoming:
        raise _refused("the next secret that is kept here is another one than the service's")


def _refused(why: str) -> InvalidRequest:
    refusal = InvalidRequest(
        f"Nothing was changed: {why}, so completing would leave the app without a known secret."
    )
    refusal.hint = (
        "Use cancel_secret_rotation and start_secret_rotation to get a next secret that is kept. "
        "Only where the user confirms that the next secret is known elsewhere, force it."
    )
    return refusal


async def cancel_secret_rotation(context: ToolContext, request: OneApp) -> Rotation:
    """Drop an app's next client secret; the current one stays.

    Whatever uses the next secret already stops working.
    """
    app, problem = await context.secrets.cancel_rotation(request.client_id)
    return _rotation_of(
        app, said=f"The dropped secret is still kept: {problem}. " if problem else ""
    )


class RevealedSecret(Result):
    """A kept secret, shown."""

    client_id: str
    which: Literal["current", "next"]
    value: str
    stored_at: str
    note: str | None = None

    @property
    def revealed(self) -> str | None:
        """The secret."""
        return self.value


async def reveal_client_secret(context: ToolContext, request: RevealClientSecret) -> RevealedSecret:
    """Show a client secret that is kept here, and so put it into this conversation.

    Only when the user asked to see it. Whoever can run commands on this machine gets it without
    that: connected-apps-mcp secrets show, or secrets run to hand it to a program.
    """
    app = (await context.api.get(request.client_id)).connected_app
    kept = await _kept(context, request)
    at_the_service = {
        "current": app.client_secret_last_four,
        "next": app.next_client_secret_last_four,
    }[request.which]
    return RevealedSecret(
        client_id=request.client_id,
        which=request.which,
        value=kept.secret.get_secret_value(),
        stored_at=kept.stored_at.isoformat(timespec="seconds"),
        note=None if kept.last_four == at_the_service else "The service has another one by now.",
    )


async def _kept(context: ToolContext, request: RevealClientSecret) -> StoredSecret:
    try:
        kept = await context.secrets.store.get(request.client_id, request.which)
    except StoreError as error:
        raise InvalidRequest(f"The secret store cannot be read: {error}.") from None
    if kept is None:
        missing = InvalidRequest(f"No {request.which} secret of this app is kept here.")
        missing.hint = START
        raise missing
    return kept


async def _before_starting(context: ToolContext, request: OneApp) -> Question | None:
    if not request.reveals:
        return None
    app = (await context.api.get(request.client_id)).connected_app
    if rotating(app) or not is_confidential(app.client_type):
        return None  # no secret will be shown
    return _before_showing(app, "next")


async def _before_revealing(context: ToolContext, request: RevealClientSecret) -> Question:
    app = (await context.api.get(request.client_id)).connected_app
    await _kept(context, request)
    return _before_showing(app, request.which)


def _before_showing(app: ConnectedApp, which: str) -> Question:
    return Question(
        f"Show the {which} client secret of this app in the conversation?",
        about(app),
        WHO_WILL_KNOW,
        version_of(app),
    )


async def _before_completing(context: ToolContext, request: CompleteRotation) -> Question | None:
    app = (await context.api.get(request.client_id)).connected_app
    if not rotating(app):
        return None  # the service has the better words for it
    if not request.force:
        await _require_kept(context, app)
    secrets = [
        ("Secret that dies", f"…{app.client_secret_last_four}"),
        ("Secret that stays", f"…{app.next_client_secret_last_four}"),
    ]
    if request.force:
        secrets.append(("Not kept here; forced by the caller because", request.reason or ""))
    return Question(
        "Complete the rotation of this app's client secret?",
        [*about(app), *secrets],
        "Whatever still uses the secret that dies stops working at once.",
        version_of(app),
    )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        start_secret_rotation,
        "Start a secret rotation",
        OneApp,
        Rotation,
        Effect.ADDS,
        OneAppRevealing,
        question=_before_starting,
    ),
    Tool(
        complete_secret_rotation,
        "Complete a secret rotation",
        CompleteRotation,
        Rotation,
        Effect.DESTROYS,
        question=_before_completing,
    ),
    Tool(cancel_secret_rotation, "Cancel a secret rotation", OneApp, Rotation, Effect.DESTROYS),
    Tool(
        reveal_client_secret,
        "Reveal a client secret",
        RevealClientSecret,
        RevealedSecret,
        Effect.REVEALS,
        question=_before_revealing,
    ),
)
