"""Request and response types; the description at `/openapi.json` is derived from them.

The field names, and which fields may be null, are KNOWN from the public specification and the
official SDKs. A request ignores unknown fields: the SDKs repeat `client_id` in their bodies.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

ClientType = Literal["first_party", "first_party_public", "third_party", "third_party_public"]

DEFAULT_EXPIRY_MINUTES = 60
"""KNOWN."""

MAX_EXPIRY_MINUTES = 527_040
"""UNKNOWN-choice: 366 days, the longest session that the sibling endpoints allow."""

DEFAULT_PAGE, MAX_PAGE = 100, 1000
"""KNOWN."""


def _whole(number: object) -> object:
    return int(number) if isinstance(number, float) and number.is_integer() else number


# JSON has one kind of number: 60.0 is the integer 60, as JSON Schema says too.
Integer = Annotated[int, BeforeValidator(_whole)]
Url = Annotated[str, Field(json_schema_extra={"format": "redirect-url"})]
Template = Annotated[str, Field(json_schema_extra={"format": "claims-template"})]
# UNKNOWN-choice: printable ASCII without spaces, as in the URIs that audiences commonly are.
Audience = Annotated[str, Field(pattern=r"^[!-~]*$")]


def is_public(client_type: ClientType) -> bool:
    """Whether such a client has no secret (KNOWN)."""
    return client_type.endswith("_public")


def is_third_party(client_type: ClientType) -> bool:
    """Whether such a client must ask for consent (KNOWN)."""
    return client_type.startswith("third_party")


class Model(BaseModel):
    """A type that is built when it is first used, for a fast start."""

    model_config = ConfigDict(defer_build=True)


class SettableFields(Model):
    """The fields of an app that a request may set, with their defaults."""

    client_name: str = ""
    client_description: str = ""
    redirect_urls: list[Url] = Field(default_factory=list)
    full_access_allowed: bool = False
    access_token_expiry_minutes: Integer = Field(
        DEFAULT_EXPIRY_MINUTES, ge=1, le=MAX_EXPIRY_MINUTES
    )
    access_token_custom_audience: Audience | None = None
    access_token_template_content: Template = ""
    post_logout_redirect_urls: list[Url] = Field(default_factory=list)
    logo_url: str | None = None
    bypass_consent_for_offline_access: bool = False
    id_token_template_content: Template = ""


class UpdateRequest(SettableFields):
    """The fields to change: an omitted one stays unchanged (INFERRED), none may be null."""

    access_token_custom_audience: Audience = ""
    logo_url: str = ""


class CreateRequest(UpdateRequest):
    """The fields of a new app; an omitted one gets its default."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"client_type": {"enum": ["third_party", "third_party_public"]}}},
            "then": {
                "properties": {
                    "full_access_allowed": {"const": False},
                    "bypass_consent_for_offline_access": {"const": False},
                }
            },
        }
    )

    client_type: ClientType


class SearchRequest(Model):
    """A page to read; an empty cursor is the beginning."""

    cursor: str = Field("", json_schema_extra={"format": "search-cursor"})
    limit: Integer = Field(DEFAULT_PAGE, ge=0, le=MAX_PAGE)


class EmptyRequest(Model):
    """A request without a body."""


class IntrospectRequest(Model):
    """A token, and the client that introspects it (RFC 7662)."""

    token: str = Field(min_length=1)
    token_type_hint: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")


class AppFields(SettableFields):
    """The fields of an app in every response."""

    client_id: str
    client_type: ClientType
    status: str = "active"
    client_secret_last_four: str | None = None
    next_client_secret_last_four: str | None = None
    client_id_metadata_url: str | None = None


class ConnectedApp(AppFields):
    """An app in the responses of get, update, search and the end of a rotation; also as stored."""

    # The field is KNOWN, its values are UNKNOWN.
    creation_method: str = "api"


class ConnectedAppWithClientSecret(AppFields):
    """A new app; its secret is shown only here, and is null for a public type."""

    client_secret: str | None = Field(repr=False)


class ConnectedAppWithNextClientSecret(AppFields):
    """An app at the start of its rotation; the next secret is shown only here."""

    next_client_secret: str = Field(repr=False)


class Reply(Model):
    """The fields of every response."""

    status_code: int = 200
    request_id: str = ""


class AppReply(Reply):
    """One app."""

    connected_app: ConnectedApp


class CreateReply(Reply):
    """One app, with its secret."""

    connected_app: ConnectedAppWithClientSecret


class RotateStartReply(Reply):
    """One app, with its next secret."""

    connected_app: ConnectedAppWithNextClientSecret


class DeleteReply(Reply):
    """The id of the deleted app."""

    client_id: str


class ResultsMetadata(Model):
    """The number of apps, and the cursor of the next page; null at the end."""

    total: int
    next_cursor: str | None


class SearchReply(Reply):
    """One page of apps."""

    connected_apps: list[ConnectedApp]
    results_metadata: ResultsMetadata


class InstalledApp(Model):
    """An app in the list of an organization."""

    connected_app_id: str
    name: str
    description: str
    client_type: str
    logo_url: str | None


class InstalledAppsReply(Reply):
    """The apps that an organization's members have authorised."""

    connected_apps: list[InstalledApp]


class ActiveMember(Model):
    """A member who has authorised an app, with the scopes as a list (KNOWN)."""

    member_id: str
    granted_scopes: list[str]


class InstalledAppReply(InstalledApp, Reply):
    """One app of an organization, not wrapped (KNOWN).

    The public specification lists no `request_id` here; the official SDKs require it.
    """

    active_members: list[ActiveMember]


class GrantedApp(InstalledApp):
    """An app in the list of a user or a member; its scopes are one string (KNOWN)."""

    scopes_granted: str


class GrantedAppsReply(Reply):
    """The apps that a user or a member has authorised."""

    connected_apps: list[GrantedApp]


def optional(*, secret: bool = False) -> Any:  # noqa: ANN401 - the default of a field of any type
    """A field that is absent from a response without it."""
    return Field(default=None, exclude_if=lambda value: value is None, repr=not secret)


class IntrospectReply(Reply):
    """A token, if it is active (RFC 7662). The fields are KNOWN from the official SDKs."""

    active: bool = False
    sub: str | None = optional()
    scope: str | None = optional()
    aud: list[str] | None = optional()
    exp: int | None = optional()
    iat: int | None = optional()
    iss: str | None = optional()
    nbf: int | None = optional()
    client_id: str | None = optional()
    jti: str | None = optional()
    # INFERRED: access_token or refresh_token, as the SDK's local check calls it.
    token_type: str | None = optional()
