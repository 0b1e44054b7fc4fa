"""What the model is told of a client secret that the service has just shown."""

from pydantic import Field

from .handover import Kept
from .models import Model
from .secret_store import Which

WHERE: dict[Which, str] = {
    "current": "To get it: connected-apps-mcp secrets show, or reveal_client_secret if it is "
    "offered.",
    "next": "To get it: connected-apps-mcp secrets show --next, or reveal_client_secret with which "
    "next if it is offered.",
}
RENEW: dict[Which, str] = {
    "current": "use start_secret_rotation",
    "next": "use cancel_secret_rotation and start again",
}


class ClientSecret(Model):
    """What is told of a client secret."""

    last_four: str | None = None
    kept_in: str | None = None
    value: str | None = Field(None, description="Only where it was asked for.")
    note: str


def told(kept: Kept, *, reveal: bool, which: Which = "current") -> ClientSecret:
    """What an answer says of a secret that the service has just shown."""
    if kept.secret is None:
        return ClientSecret(
            note="The answer of the service held nothing that can be the secret, so nobody has it: "
            f"{RENEW[which]}."
        )
    value = kept.secret.get_secret_value()
    note = WHERE[which] if kept.place else "Shown this once and kept nowhere: store it now."
    if kept.doubtful:
        note += f" It does not look as the service tells: if it does not work, {RENEW[which]}."
    return ClientSecret(
        last_four=value[-4:], kept_in=kept.place, value=value if reveal else None, note=note
    )
