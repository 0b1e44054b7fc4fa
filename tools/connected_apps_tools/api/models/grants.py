"""Who has authorised which app: users of consumer projects, members of B2B organizations."""

from typing import Annotated

from pydantic import Field, StringConstraints

from .apps import ClientId
from .base import AboutOneApp, Model, Request, Response, Words

HolderId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~|@:+=-]*$", max_length=255),
    Words("1 to 255 letters, digits and -._~|@:+=, beginning with a letter or digit"),
]
"""The id of a user, a member or an organization, or what stands for it. The pattern admits what is
safe as one segment of a path.
"""

UserId = Annotated[HolderId, Field(description="Its user_id or external id.")]
OrganizationId = Annotated[HolderId, Field(description="Its organization_id or slug.")]
MemberId = Annotated[HolderId, Field(description="Its member_id or external id.")]


class OneUser(Request):
    """Which user."""

    user_id: UserId


class UserGrant(OneUser):
    """Which app of which user."""

    client_id: ClientId


class OneOrganization(Request):
    """Which organization."""

    organization_id: OrganizationId


class OrganizationApp(OneOrganization):
    """Which app of which organization."""

    client_id: ClientId


class OneMember(OneOrganization):
    """Which member of which organization."""

    member_id: MemberId


class MemberGrant(OneMember):
    """Which app of which member."""

    client_id: ClientId


class AuthorisedApp(Model):
    """An app that somebody has authorised."""

    connected_app_id: str
    name: str
    description: str
    client_type: str
    logo_url: str | None = None


class Grant(AuthorisedApp):
    """An app with what one user or member has granted it."""

    scopes_granted: str
    """Separated by spaces."""


class ActiveMember(Model):
    """A member who has authorised the app in question."""

    member_id: str
    granted_scopes: list[str]


class GrantsResponse(Response):
    """To listing the grants of a user or a member."""

    connected_apps: list[Grant]


class OrganizationAppsResponse(Response):
    """To listing the apps of an organization."""

    connected_apps: list[AuthorisedApp]


class OrganizationAppResponse(AuthorisedApp, AboutOneApp):
    """To one app of an organization. It alone has neither wrapper nor request id."""

    active_members: list[ActiveMember]

    @property
    def about(self) -> str:
        """The app in question."""
        return self.connected_app_id
