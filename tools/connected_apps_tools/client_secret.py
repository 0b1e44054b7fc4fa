"""What the model is told of a client secret that the service has just shown."""

from typing import Any

from pydantic import Field

from .handover import Kept
from .models import Model


class ClientSecret(Model):
    """What is told of a client secret."""

    last_four: str | None = None
    kept_in: str | None = None
    value: str | None = Field(None, description="Only where it was asked for.")
    note: str


def told(kept: Kept[Any], *, reveal: bool) -> ClientSecret:
    """What an answer says of a secret that the service has just shown."""
    if kept.secret is None:
        return ClientSecret(note="The service sent no secret: rotate it before use.")
    value = kept.secret.get_secret_value()
    where = "To get it: connected-apps-mcp secrets show, or reveal_client_secret if it is offered."
    return ClientSecret(
        last_four=value[-4:],
        kept_in=kept.place,
        value=value if reveal else None,
        note=where if kept.place else "Shown this once and kept nowhere: store it now.",
    )
