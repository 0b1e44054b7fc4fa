"""Requests and responses about Connected Apps."""

from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from connected_apps_tools.api.service import INT32_MAX

from .base import WHOLE, Model, Request, Response, Revealing, Words

ClientType = Literal["first_party", "first_party_public", "third_party", "third_party_public"]


def is_confidential(client_type: str) -> bool:
    """Whether apps of a type have a client secret (KNOWN for the four types)."""
    return not client_type.endswith("_public")


def is_third_party(client_type: str) -> bool:
    """Whether an app belongs to a third party, so that users are asked for consent."""
    return client_type.startswith("third_party")


ClientId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=128),
    Words("1 to 128 letters, digits, hyphens and underscores; use search_apps to find it"),
]
"""An app's id. The service's own are `connected-app-test-<uuid>` and `connected-app-live-<uuid>`;
the pattern allows ids that are safe as one segment of a path.
"""


class AppSettings(Request):
    """The settings of an app, for create and update. Every field is optional."""

    client_name: str | None = None
    client_description: str | None = None
    redirect_urls: list[str] | None = Field(
        None,
        description="OAuth redirect URIs: https, or http for a loopback host.",
    )
    post_logout_redirect_urls: list[str] | None = Field(
        None, description="Redirect URIs after OIDC logout."
    )
    logo_url: str | None = None
    access_token_expiry_minutes: Annotated[int, Field(ge=1, le=INT32_MAX), WHOLE] | None = Field(
        None,
        description="Lifetime of access tokens. A new app has 60 by default.",
    )
    access_token_custom_audience: str | None = Field(
        None, description="Extra audience (aud) of access tokens."
    )
    access_token_template_content: str | None = Field(
        None,
        description="Custom claims of access tokens: a JSON object as one string. It may hold "
        'tags, e.g. {"role": {{ user.trusted_metadata.role }} }.',
    )
    id_token_template_content: str | None = Field(
        None, description="Custom claims of ID tokens, in the same form."
    )
    full_access_allowed: bool | None = Field(
        None,
        description="First-party only: tokens can be exchanged for a full Stytch session.",
    )
    bypass_consent_for_offline_access: bool | None = Field(
        None,
        description="First-party only: offline_access needs no consent.",
    )


class CreateApp(AppSettings):
    """A new app. Only its type is required."""

    client_type: ClientType = Field(
        description="first_party and third_party get a client secret. The _public types (mobile, "
        "single-page, CLI) get none and use PKCE. It cannot be changed later."
    )

    @property
    def confidential(self) -> bool:
        """Whether the service gives this type a client secret."""
        return is_confidential(self.client_type)


class CreateAppRevealing(Revealing, CreateApp):
    """A new app, with the option to show its secret."""


class UpdateApp(AppSettings):
    """A change to an app: given fields are replaced, the others do not change."""

    client_id: ClientId = Field(exclude=True)

    def changes_something(self) -> bool:
        """Whether any field to change is given."""
        return bool(self.body())

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.changes_something():
            raise PydanticCustomError(
                "nothing_to_change",
                "give at least one field to change besides client_id; to make one empty, send "
                '"" or []',
            )
        return self


class OneApp(Request):
    """An app."""

    client_id: ClientId


class OneAppRevealing(Revealing, OneApp):
    """An app, with the option to show its secret."""


class CompleteRotation(OneApp):
    """The rotation to complete, and whether to do so without a next secret seen working."""

    force: bool = Field(
        default=False,
        description="Complete although the next secret is not stored here or was not seen working, "
        "because the user knows that it works. Needs a reason.",
    )
    reason: str | None = Field(None, min_length=10, max_length=500, description="Why to force it.")

    @model_validator(mode="after")
    def _forced_for_a_reason(self) -> Self:
        if self.force != (self.reason is not None):
            raise PydanticCustomError("reason", "force and reason must be given together")
        return self


class RevealClientSecret(OneApp):
    """The secret to show."""

    which: Literal["current", "next"] = Field(
        "current", description="next: the one that a rotation under way will make current."
    )


class PageOfApps(Request):
    """One page of the project's apps: the body of a search."""

    cursor: str | None = Field(None, min_length=1)
    """The next_cursor of the previous page; left out for the first."""
    limit: Annotated[int, Field(ge=1, le=1000), WHOLE] | None = None
    """Apps per page; the service's default is 100."""


class App(Model):
    """An app as every response shows it. No field can hold a secret."""

    client_id: str = Field(min_length=1)
    client_name: str
    client_description: str
    client_type: str
    status: str
    redirect_urls: list[str]
    post_logout_redirect_urls: list[str]
    access_token_expiry_minutes: int
    access_token_template_content: str
    full_access_allowed: bool
    bypass_consent_for_offline_access: bool
    id_token_template_content: str | None = None
    access_token_custom_audience: str | None = None
    logo_url: str | None = None
    client_id_metadata_url: str | None = None
    client_secret_last_four: str | None = None
    next_client_secret_last_four: str | None = None


class ConnectedApp(App):
    """An app as get, update and search show it."""

    creation_method: str


class AppWithClientSecret(App):
    """A new app with its secret, which the service shows only once. Public types have none."""

    client_secret: SecretStr | None = None


class AppWithNextClientSecret(App):
    """An app with a new rotation and its next secret, which the service shows only once."""

    client_secret_last_four: str
    next_client_secret: SecretStr


class _ShowsAnApp(Response):
    connected_app: App

    @property
    def about(self) -> str:
        return self.connected_app.client_id


class AppResponse(_ShowsAnApp):
    """The response to get, update, and to completing or cancelling a rotation."""

    connected_app: ConnectedApp


class CreateResponse(_ShowsAnApp):
    """The response to create."""

    connected_app: AppWithClientSecret


class StartRotationResponse(_ShowsAnApp):
    """The response to starting a rotation."""

    connected_app: AppWithNextClientSecret


class DeleteResponse(Response):
    """The response to delete."""

    client_id: str

    @property
    def about(self) -> str:
        """The client_id of the deleted app."""
        return self.client_id


def _text_or_nothing(value: object) -> str | None:
    return value if isinstance(value, str) else None


_Text = Annotated[str | None, BeforeValidator(_text_or_nothing)]
_Secret = Annotated[SecretStr | None, BeforeValidator(_text_or_nothing)]


class AnySecret(Model):
    """The fields about a secret, as far as they are text."""

    client_id: _Text = None
    client_secret: _Secret = None
    next_client_secret: _Secret = None
    client_secret_last_four: _Text = None
    next_client_secret_last_four: _Text = None

    @property
    def shows_one(self) -> bool:
        """Whether there is a secret."""
        return bool(self.client_secret or self.next_client_secret)


class SecretResponse(Model):
    """The part of a response that is needed to salvage its secret."""

    connected_app: AnySecret


class ResultsMetadata(Model):
    """The position of a page in a search."""

    total: int
    """Number of all results; -1 if the workspace has totals switched off."""
    next_cursor: str | None = None
    """Null or absent at the end."""


class SearchResponse(Response):
    """The response to search."""

    connected_apps: list[ConnectedApp]
    results_metadata: ResultsMetadata
