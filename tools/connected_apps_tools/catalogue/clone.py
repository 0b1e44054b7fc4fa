"""The tool that makes a new app like an existing one."""

from typing import Any

from pydantic import Field, ValidationError

from connected_apps_tools.api.models import (
    AppSettings,
    ClientId,
    ClientType,
    ConnectedApp,
    Revealing,
    is_third_party,
)
from connected_apps_tools.catalogue.types.app_requests import CreateAppRevealingRequest, DryRun
from connected_apps_tools.catalogue.types.app_results import CreatedApp
from connected_apps_tools.catalogue.types.app_view import UNTRUSTED_FIELDS
from connected_apps_tools.context import ToolContext
from connected_apps_tools.plan import Plan
from connected_apps_tools.tool import Effect, Tool, refusal_of

from .apps import plan_creation

FIRST_PARTY_ONLY = {"full_access_allowed", "bypass_consent_for_offline_access"}
"""Settings that the service refuses for third-party apps (KNOWN)."""


class CloneAppRequest(DryRun, AppSettings):
    """Which app to clone, and what is different in the new one."""

    client_id: ClientId = Field(exclude=True, description="The app to copy the settings from.")
    client_name: str = Field(min_length=1, description="The name of the new app.")
    client_type: ClientType | None = Field(
        None, description="The type of the new app; by default that of the existing one."
    )

    def settings(self, source: ConnectedApp) -> dict[str, Any]:
        """The settings of the new app. Empty ones are left out, as the service has them anyway."""
        client_type = self.client_type or source.client_type
        copied = source.model_dump(include=set(AppSettings.model_fields))
        if is_third_party(client_type):
            copied = {name: copied[name] for name in copied.keys() - FIRST_PARTY_ONLY}
        return {
            "client_type": client_type,
            **{name: value for name, value in copied.items() if value},
            **self.body(),
        }


class CloneAppRevealingRequest(Revealing, CloneAppRequest):
    """The same request, where callers may ask for the secret."""


async def clone_app(context: ToolContext, request: CloneAppRequest) -> Plan[CreatedApp]:
    """Create a new Connected App with the settings of an existing one, which does not change.

    Give the name of the new app, and every other setting that should differ. Confidential types get
    a client secret of their own: it is stored, not returned; the result gives its location and last
    four characters. A person may be asked before it is shown.
    """
    settings = request.settings(await context.read_app(request.client_id))
    try:
        new_app = CreateAppRevealingRequest(
            **settings,
            dry_run=request.is_dry_run,
            reveal_secret=request.reveals,
        )
    except ValidationError as error:
        raise refusal_of(CreateAppRevealingRequest, error) from None
    copied = settings.keys() - request.body().keys()
    untrusted = [name for name in UNTRUSTED_FIELDS if name in copied] or None
    return await plan_creation(context, new_app, untrusted=untrusted)


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        clone_app,
        "Clone an app",
        CloneAppRequest,
        CreatedApp,
        Effect.ADDS,
        revealing=CloneAppRevealingRequest,
    ),
)
