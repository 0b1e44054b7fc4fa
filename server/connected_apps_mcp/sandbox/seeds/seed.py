"""What a seed says, as a JSON file or in Python."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from connected_apps_mcp.sandbox.models import ClientType, Reply, UpdateRequest

MAX_SEED_BYTES = 16 * 1024 * 1024
MAX_GENERATED_APPS = 1_000_000

# KNOWN: what external ids and slugs may hold. The sandbox's own: that ids may be short and telling.
ExternalId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{2,128}$")]
ClientId = Annotated[str, Field(pattern=r"^connected-app-(test|live)-[A-Za-z0-9-]{1,64}$")]
UserId = Annotated[str, Field(pattern=r"^user-(test|live)-[A-Za-z0-9-]{1,64}$")]
OrganizationId = Annotated[str, Field(pattern=r"^organization-(test|live)-[A-Za-z0-9-]{1,64}$")]
MemberId = Annotated[str, Field(pattern=r"^member-(test|live)-[A-Za-z0-9-]{1,64}$")]
# A scope token of RFC 6749.
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]


class SeedPart(BaseModel):
    """A seed is written by hand, so what it misspells is refused."""

    model_config = ConfigDict(extra="forbid")


class SeedApp(UpdateRequest, SeedPart):
    """An app of any origin and age: what create asks of redirects and templates is not asked.

    A confidential one has a secret that nobody knows; a rotation gives a new one. `rotating` means
    that a rotation is under way.
    """

    client_id: ClientId | None = None
    client_type: ClientType
    creation_method: str = "api"
    client_id_metadata_url: str | None = None
    rotating: bool = False


class SeedGrant(SeedPart):
    """An app that a user or a member authorised; it is in the seed, or in the project already."""

    client_id: ClientId
    scopes: list[Scope] = Field(default_factory=list)


class SeedSubject(SeedPart):
    """Someone who authorises apps."""

    external_id: ExternalId | None = None
    grants: list[SeedGrant] = Field(default_factory=list)


class SeedUser(SeedSubject):
    """A user of a consumer project."""

    user_id: UserId | None = None


class SeedMember(SeedSubject):
    """A member of an organization."""

    member_id: MemberId | None = None


class SeedOrganization(SeedPart):
    """An organization of a B2B project."""

    organization_id: OrganizationId | None = None
    slug: Slug | None = None
    external_id: ExternalId | None = None
    members: list[SeedMember] = Field(default_factory=list)


class Seed(SeedPart):
    """What a sandbox should hold. To seed it again changes nothing that has an id or a name.

    What is there under the same id, external id or slug is left as it is, but for its grants, which
    get the scopes given. `example` adds a small set for the project's kind; `generated_apps` is how
    many apps with varied names and redirects there should be.
    """

    apps: list[SeedApp] = Field(default_factory=list)
    users: list[SeedUser] = Field(default_factory=list)
    organizations: list[SeedOrganization] = Field(default_factory=list)
    generated_apps: int = Field(0, ge=0, le=MAX_GENERATED_APPS)
    example: bool = False

    def with_all_of(self, other: Seed) -> Seed:
        """Return a seed of both: this one's parts come first."""
        return Seed(
            apps=self.apps + other.apps,
            users=self.users + other.users,
            organizations=self.organizations + other.organizations,
            generated_apps=max(self.generated_apps, other.generated_apps),
        )


class Seeded(BaseModel):
    """The ids of what was seeded, in the seed's order, and how much of the rest there was."""

    client_ids: list[str] = Field(default_factory=list)
    user_ids: list[str] = Field(default_factory=list)
    organization_ids: list[str] = Field(default_factory=list)
    member_ids: list[str] = Field(default_factory=list)
    grants: int = 0
    generated_apps: int = 0


class SeedReply(Seeded, Reply):
    """What was seeded."""
