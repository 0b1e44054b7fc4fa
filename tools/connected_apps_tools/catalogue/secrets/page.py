"""The tool with which the page shows a client secret past the model."""

from typing import Any, Literal

from pydantic import Field

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import ConnectedApp, Result, RevealClientSecret
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.plan import Plan, returning
from connected_apps_tools.safety.question import Question, facts_about
from connected_apps_tools.secrets.sealing import SealingError, page_key, sealed
from connected_apps_tools.tool import Effect, Tool

from .rotation import note_on, stored_secret


class RevealClientSecretToPage(RevealClientSecret):
    """The secret to show, and the key of the page."""

    public_key: str = Field(
        max_length=1_000,
        description="The page's new RSA key of 3072 bits: SubjectPublicKeyInfo in base64.",
    )


class SealedSecret(Result):
    """A stored secret that only the page can read."""

    client_id: str
    which: Literal["current", "next"]
    ciphertext: str = Field(description="RSA-OAEP with SHA-256, in base64.")
    last_four: str
    stored_at: str
    note: str | None = None

    @property
    def revealed_last_four(self) -> str:
        """The last four characters of the secret."""
        return self.last_four


async def reveal_client_secret_to_page(
    context: ToolContext, request: RevealClientSecretToPage
) -> Plan[SealedSecret]:
    """Encrypt a client secret that is stored here for the page that the user looks at.

    Only the page calls this, when the user presses Show or Copy there. A person may be asked first.
    The result is of no use to anybody without the private key, which never leaves the page.
    """
    try:
        key = page_key(request.public_key)
    except SealingError as error:
        raise InvalidRequest(f"public_key: it {error}.") from None
    app = await context.read_app(request.client_id)
    stored = await stored_secret(context, request)
    try:
        ciphertext = sealed(stored.secret.get_secret_value(), key)
    except SealingError as error:
        raise InvalidRequest(f"The secret cannot be shown in the page: {error}.") from None
    shown = SealedSecret(
        client_id=request.client_id,
        which=request.which,
        ciphertext=ciphertext,
        last_four=stored.last_four,
        stored_at=stored.stored_at.isoformat(timespec="seconds"),
        note=note_on(app, stored),
    )
    return Plan(perform=returning(shown), question=_showing(app, request.which))


def _showing(app: ConnectedApp, which: str) -> Question:
    return Question(
        f"Show the {which} client secret of this app in the page?",
        facts_about(app),
        "You will see it in the page, and the model will not know it. Say yes only if you have "
        "just pressed Show or Copy there.",
        version_of(app),
    )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        reveal_client_secret_to_page,
        "Reveal a client secret to the page",
        RevealClientSecretToPage,
        SealedSecret,
        Effect.REVEALS,
        about="secrets",
        listed_to="page",
    ),
)
