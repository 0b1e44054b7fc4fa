"""The format of a seed, as JSON or in Python."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from connected_apps_mcp.sandbox.models import ClientType, Model, Reply, UpdateRequest

MAX_SEED_BYTES = 16 * 1024 * 1024
MAX_GENERATED_APPS = 1_000_000

# KNOWN: the characters of external ids and slugs. The sandbox also accepts short, readable ids.
ExternalId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{2,128}$")]
SeedClientId = Annotated[str, Field(pattern=r"^connected-app-(test|live)-[A-Za-z0-9-]{1,64}$")]
SeedUserId = Annotated[str, Field(pattern=r"^user-(test|live)-[A-Za-z0-9-]{1,64}$")]
OrganizationId = Annotated[str, Field(pattern=r"^organization-(test|live)-[A-Za-z0-9-]{1,64}$")]
MemberId = Annotated[str, Field(pattern=r"^member-(test|live)-[A-Za-z0-9-]{1,64}$")]
# A scope token of RFC 6749.
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]


class SeedPart(Model):
    """Refuses unknown fields: seeds are written by hand, and have typos."""

    model_config = ConfigDict(extra="forbid")


class SeedApp(UpdateRequest, SeedPart):
    """An app, without the checks of redirects and templates that create makes.

    A confidential app has an unknown secret; a rotation gives it a new one. `rotating` means
    that its rotation is under way.
    """

    client_id: SeedClientId | None = None
    client_type: ClientType
    creation_method: str = "api"
    client_id_metadata_url: str | None = None
    rotating: bool = False


class SeedGrant(SeedPart):
    """A grant of a user or a member to an app, which is in the seed or in the project."""

    client_id: SeedClientId
    scopes: list[Scope] = Field(default_factory=list)


class SeedSubject(SeedPart):
    """A user or a member, who authorises apps."""

    external_id: ExternalId | None = None
    grants: list[SeedGrant] = Field(default_factory=list)


class SeedUser(SeedSubject):
    """A user of a consumer project."""

    user_id: SeedUserId | None = None


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
    """The content of a sandbox.

    What exists with the same id, external id or slug stays unchanged, so seeding again is harmless.
    Only grants get the given scopes. `example` adds a small set for the kind of the project.
    `generated_apps` is the number of generated apps to have.
    """

    apps: list[SeedApp] = Field(default_factory=list)
    users: list[SeedUser] = Field(default_factory=list)
    organizations: list[SeedOrganization] = Field(default_factory=list)
    generated_apps: int = Field(0, ge=0, le=MAX_GENERATED_APPS)
    example: bool = False

    def with_all_of(self, other: Seed) -> Seed:
        """Return a seed with the content of both, this one first."""
        return Seed(
            apps=self.apps + other.apps,
            users=self.users + other.users,
            organizations=self.organizations + other.organizations,
            generated_apps=max(self.generated_apps, other.generated_apps),
        )


class Seeded(Model):
    """The ids of the seeded content, in order, and the numbers of grants and generated apps."""

    client_ids: list[str] = Field(default_factory=list)
    user_ids: list[str] = Field(default_factory=list)
    organization_ids: list[str] = Field(default_factory=list)
    member_ids: list[str] = Field(default_factory=list)
    grants: int = 0
    generated_apps: int = 0


class SeedReply(Seeded, Reply):
    """The response to a seed."""
