"""What the model is told of a client secret that the service has just shown."""

import re
import shlex

from pydantic import Field

from connected_apps_tools.api.models import Model
from connected_apps_tools.context import ServerInfo
from connected_apps_tools.secrets.capture import CapturedSecret
from connected_apps_tools.secrets.fallback_store import StorageLocation
from connected_apps_tools.secrets.stores import Which

REVEAL: dict[Which, str] = {
    "current": "reveal_client_secret",
    "next": "reveal_client_secret with which: next",
}
RENEW: dict[Which, str] = {
    "current": "use start_secret_rotation",
    "next": "use cancel_secret_rotation and start again",
}
NEEDS = {
    "aws": "the AWS variables of this server",
    "vault": "the Vault variables of this server",
}
"""What the environment of a shell needs, by the kind of store. The values may be secret."""


class ClientSecret(Model):
    """What is told of a client secret."""

    last_four: str | None = None
    kept_in: str | None = None
    value: str | None = Field(None, description="Only where it was asked for.")
    note: str


def describe_secret(
    about: ServerInfo, kept: CapturedSecret, *, reveal: bool, which: Which = "current"
) -> ClientSecret:
    """What an answer says of a secret that the service has just shown."""
    if kept.secret is None:
        note = (
            "The answer of the service held nothing that can be the secret, so nobody has it: "
            f"{RENEW[which]}."
        )
        return ClientSecret(note=about.advice(note))
    value = kept.secret.get_secret_value()
    note = "Shown this once and kept nowhere: store it now."
    if kept.place:
        note = _how_to_get(about, kept.place, kept.app.client_id, which)
    if kept.doubtful:
        note += f" It does not look as the service tells: if it does not work, {RENEW[which]}."
    return ClientSecret(
        last_four=value[-4:],
        kept_in=str(kept.place) if kept.place else None,
        value=value if reveal else None,
        note=about.advice(note),
    )


def _how_to_get(about: ServerInfo, place: StorageLocation, client_id: str, which: Which) -> str:
    """How the user gets a kept secret: with a command where one can, else in the conversation."""
    if place.kind == about.secrets_command.fleeting:
        return (
            f"To get it, use {REVEAL[which]} while this server runs. The sandbox is in memory and "
            "ends with the server, and so does its store: no command can read it."
        )
    needs = f" It needs {NEEDS[place.kind]}." if place.kind in NEEDS else ""
    instead = "" if "reveal_client_secret" in about.tools_off else f", or use {REVEAL[which]}"
    command = _command(about, place, client_id, which)
    return f"To get it, the user runs `{command}` in a shell{instead}.{needs}"


def _command(about: ServerInfo, place: StorageLocation, client_id: str, which: Which) -> str:
    """The whole command line, fit to be pasted into a POSIX shell."""
    how = about.secrets_command
    # The service makes the ids. Anything else than a plain word must not reach a shell.
    app = (
        client_id if re.fullmatch(r"[A-Za-z0-9][\w-]{0,127}", client_id, re.ASCII) else "CLIENT_ID"
    )
    return " ".join(
        [
            *(f"{name}={shlex.quote(value)}" for name, value in how.variables.items()),
            shlex.join([*how.program, "secrets", "show", app]),
            *(["--next"] if which == "next" else []),
            shlex.join([*how.flags, "--secret-store", place.kind]),
        ]
    )
