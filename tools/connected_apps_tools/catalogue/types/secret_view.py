"""A client secret that the service has just shown, as a result describes it."""

import re

from pydantic import Field

from connected_apps_tools.api.models import Model
from connected_apps_tools.context import ServerInfo
from connected_apps_tools.secrets.capture import CapturedSecret
from connected_apps_tools.secrets.fallback_store import StorageLocation
from connected_apps_tools.secrets.stores import Which
from connected_apps_tools.text.command_lines import command_line

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
"""What a shell needs in its environment, by the kind of store. The values may be secret."""


class ClientSecret(Model):
    """A client secret, without its value unless the caller asked for it."""

    last_four: str | None = None
    kept_in: str | None = None
    value: str | None = Field(None, description="Only where the caller asked for it.")
    note: str


def describe_secret(
    server: ServerInfo, captured: CapturedSecret, *, reveal: bool, which: Which = "current"
) -> ClientSecret:
    """What a result says about a secret that the service has just shown."""
    if captured.secret is None:
        note = (
            "The response of the service held nothing that can be the secret, so no copy of it "
            f"exists: {RENEW[which]}."
        )
        return ClientSecret(note=server.advice(note))
    value = captured.secret.get_secret_value()
    note = "Shown this once and stored nowhere: store it now."
    if captured.location:
        note = _how_to_get(server, captured.location, captured.app.client_id, which)
    if captured.doubtful:
        note += (
            " It differs from what the service says about it: use check_client_secret to find out "
            f"whether it works. If it does not, {RENEW[which]}."
        )
    return ClientSecret(
        last_four=value[-4:],
        kept_in=str(captured.location) if captured.location else None,
        value=value if reveal else None,
        note=server.advice(note),
    )


def _how_to_get(server: ServerInfo, location: StorageLocation, client_id: str, which: Which) -> str:
    """How the user gets a stored secret: by a command where one can, else in the conversation."""
    if location.kind == server.secrets_command.fleeting:
        return (
            f"To get it, use {REVEAL[which]} while this server runs. The sandbox and its secret "
            "store are in memory and end with the server, so no command can read it."
        )
    needs = f" It needs {NEEDS[location.kind]}." if location.kind in NEEDS else ""
    instead = "" if "reveal_client_secret" in server.tools_off else f", or use {REVEAL[which]}"
    command = _command(server, location, client_id, which)
    return f"To get it, the user runs `{command}` in a shell{instead}.{needs}"


def _command(server: ServerInfo, location: StorageLocation, client_id: str, which: Which) -> str:
    """The whole command line, ready to paste into a shell."""
    how = server.secrets_command
    # The service makes the ids. Only a plain word may reach a shell.
    app = (
        client_id if re.fullmatch(r"[A-Za-z0-9][\w-]{0,127}", client_id, re.ASCII) else "CLIENT_ID"
    )
    upcoming = ["--next"] if which == "next" else []
    return command_line(
        [
            *[*how.program, "secrets", "show", app, *upcoming],
            *[*how.flags, "--secret-store", location.kind],
        ],
        how.variables,
    )
