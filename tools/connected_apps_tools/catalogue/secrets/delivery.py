"""The tool that delivers a stored client secret to where it is used, past the model."""

import shlex
from functools import partial
from typing import Any, Literal

from pydantic import Field

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import ConnectedApp, Result, RevealClientSecret, Touched
from connected_apps_tools.catalogue.types.app_requests import DryRun
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.plan import Performed, Plan
from connected_apps_tools.safety.destinations import Destination
from connected_apps_tools.safety.question import Question, digest, facts_about
from connected_apps_tools.secrets.delivery.bringing import means_of
from connected_apps_tools.secrets.delivery.records import Delivery
from connected_apps_tools.secrets.stores import StoredSecret
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.tool import Effect, Tool

from .rotation import last_four_at_service, stored_secret


class DeliverClientSecret(DryRun, RevealClientSecret):
    """Which secret to deliver, and where."""

    destination: str = Field(
        min_length=1, max_length=64, description="Where to: a name in the operator's policy."
    )


class DeliveredSecret(Result):
    """A secret that was delivered, without the secret."""

    client_id: str
    which: Literal["current", "next"]
    last_four: str
    destination: str
    delivered: bool
    output_bytes: int | None = None
    note: str | None = None

    @property
    def touched(self) -> Touched | None:
        """The app: get_app shows its deliveries."""
        return Touched(self.client_id) if self.delivered else None

    @property
    def delivered_last_four(self) -> str | None:
        """The last four characters of the secret, if it was delivered."""
        return self.last_four if self.delivered else None


async def deliver_client_secret(
    context: ToolContext, request: DeliverClientSecret
) -> Plan[DeliveredSecret]:
    """Bring a stored client secret to a destination of the operator's policy, without showing it.

    During a rotation, deliver the next one. A person may be asked first. Neither the secret nor
    what the destination's command prints comes back, only whether it arrived. get_app lists which
    destination got which secret.
    """
    destination = context.policy.destination(request.destination, request.client_id)
    app = await context.read_app(request.client_id)
    stored = await stored_secret(context, request)
    _require_valid(app, stored)
    if problem := await in_thread(means_of(destination).problem):
        unusable = InvalidRequest(f"Nothing was delivered. {problem}")
        unusable.hint = "Only the operator can correct the destination."
        raise unusable
    return Plan(
        perform=partial(_perform, context, request.destination, stored),
        question=_bringing(app, request.destination, destination, stored),
        preview=lambda: _result(request.destination, stored, delivered=False),
    )


def _require_valid(app: ConnectedApp, stored: StoredSecret) -> None:
    if stored.last_four != last_four_at_service(app, stored.which):
        refusal = InvalidRequest(
            f"Nothing was delivered: the {stored.which} secret that is stored here differs from "
            "the service's, so it would not work."
        )
        refusal.hint = "Read the app with get_app: a rotation may have been completed elsewhere."
        raise refusal


def _bringing(
    app: ConnectedApp, name: str, destination: Destination, stored: StoredSecret
) -> Question:
    facts = [
        ("Secret", f"{stored.which}, …{stored.last_four}"),
        ("Destination", f"{name}: {described(destination)}"),
    ]
    return Question(
        "Deliver the client secret of this app?",
        [*facts_about(app), *facts],
        "It replaces what the destination has. Whoever can read the destination can act as the "
        "app. The model does not see it.",
        digest(version_of(app), destination, stored.stored_at),
    )


def described(destination: Destination) -> str:
    """A destination as a person reads it."""
    if destination.command:
        return shlex.join(destination.command)
    return f"{destination.key} in {destination.file}"


async def _perform(
    context: ToolContext, name: str, stored: StoredSecret
) -> Performed[DeliveredSecret]:
    return Performed(await deliver(context, name, stored))


async def deliver(context: ToolContext, name: str, stored: StoredSecret) -> DeliveredSecret:
    """Bring a stored secret to a destination, and record that. Callers cannot interrupt it.

    Raises:
        InvalidRequest: there is no such destination for the app.
        NotDelivered: it did not arrive, or may not have. The store is as it was.
    """
    destination = context.policy.destination(name, stored.client_id)

    async def work() -> DeliveredSecret:
        output_bytes = await means_of(destination).run(stored.secret.get_secret_value())
        note = None
        try:
            delivery = Delivery(destination=name, last_four=stored.last_four)
            await context.deliveries.record(stored.client_id, delivery)
        except StoreError as error:
            note = f"It was delivered, and that could not be recorded: {error}"
        return _result(name, stored, delivered=True, output_bytes=output_bytes, note=note)

    return await context.secrets.uninterrupted(work)


def _result(name: str, stored: StoredSecret, **how: Any) -> DeliveredSecret:  # noqa: ANN401 - its fields
    return DeliveredSecret(
        client_id=stored.client_id,
        which=stored.which,
        last_four=stored.last_four,
        destination=name,
        **how,
    )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        deliver_client_secret,
        "Deliver a client secret",
        DeliverClientSecret,
        DeliveredSecret,
        Effect.DELIVERS,
        touches="client_id",
        about="secrets",
    ),
)
