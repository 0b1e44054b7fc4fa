"""The tools that list and revoke what users and members have granted to apps."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Literal, Self

from connected_apps_tools.api.models import (
    AuthorisedApp,
    Grant,
    MemberGrant,
    Model,
    OneMember,
    OneOrganization,
    OneUser,
    OrganizationApp,
    Result,
    UserGrant,
)
from connected_apps_tools.catalogue.types.app_view import LOOSE, MAX_TEXT, MAX_URL, OBJECTS
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.plan import Performed, Plan
from connected_apps_tools.safety.question import Question, digest, name_and_type
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.tool import Effect, Tool

UNTRUSTED_IN_GRANTS = ["client_name", "client_description", "logo_url", "scopes"]
"""The fields that an app gives itself, and the scopes that it asks for."""


class AuthorisedAppView(Model):
    """An authorised app, as it is shown."""

    client_id: str
    client_name: str | None = None
    client_description: str | None = None
    client_type: str
    logo_url: str | None = None
    scopes: list[str] | None = None

    @classmethod
    def of(cls, app: AuthorisedApp) -> Self:
        """The view of an app, with its scopes where the service gives them."""
        return cls(
            client_id=printable(app.connected_app_id, MAX_TEXT),
            client_name=printable(app.name, MAX_TEXT) or None,
            client_description=printable(app.description, MAX_TEXT) or None,
            client_type=printable(app.client_type, MAX_TEXT),
            logo_url=printable_url(app.logo_url or "", MAX_URL) or None,
            scopes=_scopes(app.scopes_granted.split()) if isinstance(app, Grant) else None,
        )


def _scopes(scopes: list[str]) -> list[str]:
    return [printable(scope, MAX_TEXT) for scope in scopes]


class AuthorisedApps(Result):
    """The result of the tools that list authorised apps."""

    apps: Annotated[list[AuthorisedAppView], OBJECTS]
    untrusted: list[str] | None = None

    @classmethod
    def of(cls, apps: list[Grant] | list[AuthorisedApp]) -> Self:
        """The views of these apps."""
        return cls(apps=[AuthorisedAppView.of(app) for app in apps], untrusted=UNTRUSTED_IN_GRANTS)


class Member(Model):
    """A member who has authorised an app."""

    member_id: str
    scopes: list[str]


class AppOfOrganization(Result):
    """The result of get_organization_app."""

    app: Annotated[AuthorisedAppView, LOOSE]
    active_members: Annotated[list[Member], OBJECTS]
    untrusted: list[str] | None = None


class Revoked(Result):
    """The result of the tools that revoke a grant."""

    revoked: Literal[True] = True
    client_id: str


async def list_user_grants(context: ToolContext, request: OneUser) -> AuthorisedApps:
    """List the apps that a user has authorised, with the scopes granted (consumer projects).

    To end one, use revoke_user_grant. In a B2B project members authorise apps: list_member_grants.
    """
    return AuthorisedApps.of((await context.api.user_grants(request.user_id)).connected_apps)


async def revoke_user_grant(context: ToolContext, request: UserGrant) -> Plan[Revoked]:
    """End a user's authorisation of an app (consumer projects). A person may be asked first.

    The app leaves the user's list and its tokens for this user are revoked; only the user can
    authorise it again.
    """
    grants = (await context.api.user_grants(request.user_id)).connected_apps
    holder = ("User", request.user_id)
    revoke = partial(context.api.revoke_user_grant, request.user_id, request.client_id)
    return _revocation(_granted(grants, request.client_id, "list_user_grants"), holder, revoke)


def _granted(grants: list[Grant], client_id: str, lister: str) -> Grant:
    """The grant to an app.

    Raises:
        InvalidRequest: there is none; the hint names the tool that lists them.
    """
    for grant in grants:
        if grant.connected_app_id == client_id:
            return grant
    refusal = InvalidRequest("Nothing was sent: there is no such authorisation.")
    refusal.hint = f"Use {lister} to see the authorisations."
    raise refusal


def _revocation(
    grant: Grant, holder: tuple[str, str], revoke: Callable[[], Awaitable[str | None]]
) -> Plan[Revoked]:
    facts = [
        holder,
        *name_and_type(grant.name, grant.client_type),
        ("Client id", grant.connected_app_id),
        ("Scopes", grant.scopes_granted or "none"),
    ]

    async def perform() -> Performed[Revoked]:
        return Performed(Revoked(client_id=grant.connected_app_id), await revoke())

    return Plan(
        perform=perform,
        question=Question(
            "End this authorisation?",
            facts,
            "The app's tokens for this person are revoked; only the person can authorise it again.",
            digest(*facts),
        ),
    )


async def list_organization_apps(context: ToolContext, request: OneOrganization) -> AuthorisedApps:
    """List the apps that members of an organization have authorised (B2B projects).

    To see who they are and what they granted, use get_organization_app.
    """
    return AuthorisedApps.of(
        (await context.api.organization_apps(request.organization_id)).connected_apps
    )


async def get_organization_app(context: ToolContext, request: OrganizationApp) -> AppOfOrganization:
    """Read which members of an organization have authorised an app, and for which scopes.

    For B2B projects. To end one member's grant, use revoke_member_grant.
    """
    found = await context.api.organization_app(request.organization_id, request.client_id)
    members = [
        Member(member_id=printable(each.member_id), scopes=_scopes(each.granted_scopes))
        for each in found.active_members
    ]
    return AppOfOrganization(
        app=AuthorisedAppView.of(found), active_members=members, untrusted=UNTRUSTED_IN_GRANTS
    )


async def list_member_grants(context: ToolContext, request: OneMember) -> AuthorisedApps:
    """List the apps that a member has authorised, with the scopes granted (B2B projects).

    To end one, use revoke_member_grant.
    """
    answer = await context.api.member_grants(request.organization_id, request.member_id)
    return AuthorisedApps.of(answer.connected_apps)


async def revoke_member_grant(context: ToolContext, request: MemberGrant) -> Plan[Revoked]:
    """End a member's authorisation of an app (B2B projects). A person may be asked first.

    list_member_grants shows the authorisations. Tokens issued under this one are revoked; only the
    member can authorise the app again.
    """
    organization_id, member_id = request.organization_id, request.member_id
    grants = (await context.api.member_grants(organization_id, member_id)).connected_apps
    holder = ("Member", f"{member_id} of {organization_id}")
    revoke = partial(context.api.revoke_member_grant, organization_id, member_id, request.client_id)
    return _revocation(_granted(grants, request.client_id, "list_member_grants"), holder, revoke)


USER_TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        list_user_grants,
        "List a user's grants",
        OneUser,
        AuthorisedApps,
        Effect.READS,
        about="grants",
    ),
    Tool(
        revoke_user_grant,
        "Revoke a user's grant",
        UserGrant,
        Revoked,
        Effect.DESTROYS,
        touches="client_id",
        about="grants",
    ),
)
ORGANIZATION_TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        list_organization_apps,
        "List an organization's apps",
        OneOrganization,
        AuthorisedApps,
        Effect.READS,
        about="grants",
    ),
    Tool(
        get_organization_app,
        "Get an organization's app",
        OrganizationApp,
        AppOfOrganization,
        Effect.READS,
        about="grants",
    ),
    Tool(
        list_member_grants,
        "List a member's grants",
        OneMember,
        AuthorisedApps,
        Effect.READS,
        about="grants",
    ),
    Tool(
        revoke_member_grant,
        "Revoke a member's grant",
        MemberGrant,
        Revoked,
        Effect.DESTROYS,
        touches="client_id",
        about="grants",
    ),
)
