"""Requests and responses about grants: the apps that users or B2B members have authorised."""

from typing import Annotated

from pydantic import Field, StringConstraints

from .apps import ClientId
from .base import AboutOneApp, Model, Request, Response, Words

HolderId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~|@:+=-]*$", max_length=255),
    Words("1 to 255 letters, digits and -._~|@:+=, beginning with a letter or digit"),
]
"""The id of a user, a member or an organization, or an external id or slug. The pattern allows ids
that are safe as one segment of a path.
"""

UserId = Annotated[HolderId, Field(description="Its user_id or external id.")]
OrganizationId = Annotated[HolderId, Field(description="Its organization_id or slug.")]
MemberId = Annotated[HolderId, Field(description="Its member_id or external id.")]


class OneUser(Request):
    """A user."""

    user_id: UserId


class UserGrant(OneUser):
    """A user's grant for an app."""

    client_id: ClientId


class OneOrganization(Request):
    """An organization."""

    organization_id: OrganizationId


class OrganizationApp(OneOrganization):
    """An app in an organization."""

    client_id: ClientId


class OneMember(OneOrganization):
    """A member of an organization."""

    member_id: MemberId


class MemberGrant(OneMember):
    """A member's grant for an app."""

    client_id: ClientId


class AuthorisedApp(Model):
    """An authorised app."""

    connected_app_id: str
    name: str
    description: str
    client_type: str
    logo_url: str | None = None


class Grant(AuthorisedApp):
    """An app with the scopes that one user or member has granted."""

    scopes_granted: str
    """Separated by spaces."""


class ActiveMember(Model):
    """A member who has authorised the app."""

    member_id: str
    granted_scopes: list[str]


class GrantsResponse(Response):
    """The response to listing the grants of a user or a member."""

    connected_apps: list[Grant]


class OrganizationAppsResponse(Response):
    """The response to listing the apps of an organization."""

    connected_apps: list[AuthorisedApp]


class OrganizationAppResponse(AuthorisedApp, AboutOneApp):
    """The response about one app of an organization. It has no wrapper and no request id."""

    active_members: list[ActiveMember]

    @property
    def about(self) -> str:
        """The client_id of the app."""
        return self.connected_app_id
