"""The tools that show and end what users and members have granted to apps."""

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
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.safety.question import Question, described, digest
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.tool import Effect, Tool

from .app_view import LOOSE, MAX_TEXT, MAX_URL, OBJECTS

UNTRUSTED_IN_GRANTS = ["client_name", "client_description", "logo_url", "scopes"]
"""What an app says of itself; scopes are named by the app that asks for them."""


class AuthorisedAppView(Model):
    """An app that somebody has authorised, as it is shown."""

    client_id: str
    client_name: str | None = None
    client_description: str | None = None
    client_type: str
    logo_url: str | None = None
    scopes: list[str] | None = None

    @classmethod
    def of(cls, app: AuthorisedApp) -> Self:
        """The view of it, with what it was granted where that is told."""
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
    """The answer of the tools that list apps that somebody has authorised."""

    apps: Annotated[list[AuthorisedAppView], OBJECTS]
    untrusted: list[str] | None = None

    @classmethod
    def of(cls, apps: list[Grant] | list[AuthorisedApp]) -> Self:
        """What is shown of them."""
        return cls(apps=[AuthorisedAppView.of(app) for app in apps], untrusted=UNTRUSTED_IN_GRANTS)


class Member(Model):
    """A member who has authorised an app."""

    member_id: str
    scopes: list[str]


class AppOfOrganization(Result):
    """The answer of get_organization_app."""

    app: Annotated[AuthorisedAppView, LOOSE]
    active_members: Annotated[list[Member], OBJECTS]
    untrusted: list[str] | None = None


class Revoked(Result):
    """The answer of the tools that revoke a grant."""

    revoked: Literal[True] = True
    client_id: str


async def list_user_grants(context: ToolContext, request: OneUser) -> AuthorisedApps:
    """List the apps that a user has authorised, with the scopes granted (consumer projects).

    To end one, use revoke_user_grant. In a B2B project members authorise apps: list_member_grants.
    """
    return AuthorisedApps.of((await context.api.user_grants(request.user_id)).connected_apps)


async def revoke_user_grant(context: ToolContext, request: UserGrant) -> Revoked:
    """End a user's authorisation of an app (consumer projects).

    The app leaves the user's list and its tokens for this user are revoked; only the user can
    authorise it again.
    """
    await context.api.revoke_user_grant(request.user_id, request.client_id)
    return Revoked(client_id=request.client_id)


async def _before_revoking_users(context: ToolContext, request: UserGrant) -> Question:
    granted = (await context.api.user_grants(request.user_id)).connected_apps
    holder = ("User", request.user_id)
    return _before_revoking(request.client_id, granted, holder, "list_user_grants")


async def _before_revoking_members(context: ToolContext, request: MemberGrant) -> Question:
    answer = await context.api.member_grants(request.organization_id, request.member_id)
    holder = ("Member", f"{request.member_id} of {request.organization_id}")
    return _before_revoking(request.client_id, answer.connected_apps, holder, "list_member_grants")


def _before_revoking(
    client_id: str, granted: list[Grant], holder: tuple[str, str], lister: str
) -> Question:
    for grant in granted:
        if grant.connected_app_id == client_id:
            facts = [
                holder,
                *described(grant.name, grant.client_type),
                ("Client id", client_id),
                ("Scopes", grant.scopes_granted or "none"),
            ]
            return Question(
                "End this authorisation?",
                facts,
                "The app's tokens for this person are revoked, and nobody else can grant it anew.",
                digest(*facts),
            )
    refusal = InvalidRequest("Nothing was sent: there is no such authorisation.")
    refusal.hint = f"{lister} tells what there is."
    raise refusal


async def list_organization_apps(context: ToolContext, request: OneOrganization) -> AuthorisedApps:
    """List the apps that members of an organization have authorised (B2B projects).

    Who they are and what they granted, get_organization_app tells.
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


async def revoke_member_grant(context: ToolContext, request: MemberGrant) -> Revoked:
    """Take from an app what a member of an organization has granted it (B2B projects).

    list_member_grants shows what there is. Tokens issued under the grant are revoked, and nobody
    but the member can grant it anew.
    """
    await context.api.revoke_member_grant(
        request.organization_id, request.member_id, request.client_id
    )
    return Revoked(client_id=request.client_id)


USER_TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(list_user_grants, "List a user's grants", OneUser, AuthorisedApps, Effect.READS),
    Tool(
        revoke_user_grant,
        "Revoke a user's grant",
        UserGrant,
        Revoked,
        Effect.DESTROYS,
        question=_before_revoking_users,
    ),
)
ORGANIZATION_TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        list_organization_apps,
        "List an organization's apps",
        OneOrganization,
        AuthorisedApps,
        Effect.READS,
    ),
    Tool(
        get_organization_app,
        "Get an organization's app",
        OrganizationApp,
        AppOfOrganization,
        Effect.READS,
    ),
    Tool(list_member_grants, "List a member's grants", OneMember, AuthorisedApps, Effect.READS),
    Tool(
        revoke_member_grant,
        "Revoke a member's grant",
        MemberGrant,
        Revoked,
        Effect.DESTROYS,
        question=_before_revoking_members,
    ),
)
