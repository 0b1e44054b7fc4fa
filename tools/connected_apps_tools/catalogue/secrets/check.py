"""The tool that finds out whether the stored secrets of an app work."""

from typing import Annotated, Any

from connected_apps_tools.api.models import ConnectedApp, Model, OneApp, Result, is_confidential
from connected_apps_tools.catalogue.types.app_view import LOOSE, MAX_TEXT, rotating
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.secrets.checking import (
    CheckedSecret,
    SecretState,
    check_stored,
    last_fours_of,
)
from connected_apps_tools.secrets.stores import Which
from connected_apps_tools.text.printable import printable
from connected_apps_tools.tool import Effect, Tool

DIFFERS = " Its last four characters differ from those that the service shows."

AFTER_THE_CURRENT: dict[SecretState, str] = {
    "alive": "The stored secret works: there is nothing to do.",
    "dead": "To get a secret that works, use start_secret_rotation.",
    "unknown": "Check again, or ask the user whether the app works.",
}
AFTER_THE_NEXT: dict[SecretState, str] = {
    "alive": (
        "The stored next secret works. When it is in use wherever the app runs, use "
        "complete_secret_rotation."
    ),
    "dead": (
        "Do not complete the rotation. Use cancel_secret_rotation and start_secret_rotation to get "
        "a next secret that works."
    ),
    "unknown": (
        "Do not complete the rotation yet. Check again. If no next secret is stored here, use "
        "cancel_secret_rotation and start_secret_rotation."
    ),
}
"""What to do next, by the state of the current secret or, while a rotation is under way, the next.
"""


class SecretCheck(Model):
    """Whether a stored secret works."""

    state: SecretState
    why: str
    last_four: str | None = None


class CheckedSecrets(Result):
    """Whether the stored secrets of an app work."""

    client_id: str
    current: Annotated[SecretCheck, LOOSE]
    next: Annotated[SecretCheck | None, LOOSE] = None
    next_step: str


async def check_client_secret(context: ToolContext, request: OneApp) -> CheckedSecrets:
    """Find out at the service whether the client secrets of an app that are stored here work.

    Each is alive, dead or unknown, with the reason. It changes nothing and shows no secret. Use it
    before complete_secret_rotation, and where a stored secret is in doubt.
    """
    app = await context.read_app(request.client_id)
    if not is_confidential(app.client_type):
        raise InvalidRequest("A public app has no client secret.")
    current = await _check(context, app, "current")
    if not rotating(app):
        return _checked(context, app, current)
    return _checked(context, app, current, await _check(context, app, "next"))


async def _check(context: ToolContext, app: ConnectedApp, which: Which) -> CheckedSecret:
    return await check_stored(context.api, context.secrets.store, app.client_id, which)


def _checked(
    context: ToolContext,
    app: ConnectedApp,
    current: CheckedSecret,
    upcoming: CheckedSecret | None = None,
) -> CheckedSecrets:
    step = AFTER_THE_NEXT[upcoming.state] if upcoming else AFTER_THE_CURRENT[current.state]
    return CheckedSecrets(
        client_id=printable(app.client_id, MAX_TEXT),
        current=_shown(current, app, "current"),
        next=_shown(upcoming, app, "next") if upcoming else None,
        next_step=context.server.advice(step),
    )


def _shown(checked: CheckedSecret, app: ConnectedApp, which: Which) -> SecretCheck:
    stored = checked.stored
    if stored is None:
        return SecretCheck(state=checked.state, why=checked.why)
    differs = DIFFERS if stored.last_four != last_fours_of(app)[which] else ""
    return SecretCheck(
        state=checked.state,
        why=checked.why + differs,
        last_four=printable(stored.last_four, MAX_TEXT),
    )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        check_client_secret,
        "Check a client secret",
        OneApp,
        CheckedSecrets,
        Effect.READS,
        about="secrets",
    ),
)
