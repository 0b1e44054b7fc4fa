"""The requests of the tools that create, change, delete and look through apps."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import (
    WHOLE,
    ConnectedApp,
    CreateApp,
    OneApp,
    Request,
    Revealing,
    UpdateApp,
)
from connected_apps_tools.errors import AppHasChanged, InvalidRequest
from connected_apps_tools.text.printable import did_you_mean, printable_url

from .app_view import MAX_URL

URL_LISTS = ("redirect_urls", "post_logout_redirect_urls")

MaxScanned = Annotated[
    int, Field(ge=1, le=1_000_000, description="Stop after this many apps."), WHOLE
]
MaxBytes = Annotated[
    int, Field(ge=4_000, le=300_000, description="Keep the result within this size."), WHOLE
]


class DryRun(Request):
    """A request that can be tried out."""

    dry_run: bool = Field(
        default=False, exclude=True, description="Only check, and show what would be sent."
    )

    @property
    def is_dry_run(self) -> bool:
        """Whether the caller only tries it out: nothing is sent."""
        return self.dry_run


class Conditional(DryRun):
    """A request that holds only for the app as it was last read."""

    if_unchanged: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        exclude=True,
        description="Refuse if the app no longer has this version.",
    )

    def require_unchanged(self, app: ConnectedApp) -> None:
        """Refuse an app that is not as the caller read it.

        Raises:
            AppHasChanged: it has changed.
        """
        if self.if_unchanged not in {None, version_of(app)}:
            raise AppHasChanged("Nothing was sent: the app has changed since that version.")


class CreateAppRequest(DryRun, CreateApp):
    """A new app."""


class CreateAppRevealingRequest(Revealing, CreateAppRequest):
    """The same request, where callers may ask for the secret."""


class UpdateAppRequest(Conditional, UpdateApp):
    """A change to an app: fields to replace, and single URLs to add or remove."""

    add_redirect_urls: list[str] | None = Field(None, exclude=True)
    remove_redirect_urls: list[str] | None = Field(None, exclude=True)
    add_post_logout_redirect_urls: list[str] | None = Field(None, exclude=True)
    remove_post_logout_redirect_urls: list[str] | None = Field(None, exclude=True)

    def changes_something(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.model_fields_set - {"client_id", *Conditional.model_fields})

    @model_validator(mode="after")
    def _edits_or_replaces(self) -> Self:
        for name in URL_LISTS:
            if getattr(self, name) is not None and any(self._edits(name)):
                raise PydanticCustomError(
                    "edits_or_replaces",
                    "give {name}, or what to add and remove, but not both",
                    {"name": name},
                )
        return self

    def _edits(self, name: str) -> tuple[list[str], list[str]]:
        return getattr(self, f"add_{name}") or [], getattr(self, f"remove_{name}") or []

    def settings(self, app: ConnectedApp) -> dict[str, Any]:
        """The fields to replace in an app, without those that have the value already.

        Raises:
            InvalidRequest: a URL to remove is not there.
        """
        settings = self.body()
        for name in URL_LISTS:
            add, remove = self._edits(name)
            if add or remove:
                settings[name] = _edited(name, getattr(app, name), add, remove)
        return {name: value for name, value in settings.items() if value != getattr(app, name)}


def _edited(name: str, urls: list[str], add: list[str], remove: list[str]) -> list[str]:
    by_looks = {printable_url(url, MAX_URL): url for url in urls}
    doomed = {by_looks.get(url, url) for url in remove}
    for url in doomed.difference(urls):
        near = did_you_mean(url, by_looks)
        refusal = InvalidRequest(f"remove_{name}: the app does not have all of these URLs.{near}")
        refusal.quotes = True
        refusal.hint = "Nothing was sent. Use get_app to read the app first."
        raise refusal
    return list(dict.fromkeys(url for url in [*urls, *add] if url not in doomed))


class DeletedAppRequest(Conditional, OneApp):
    """Which app to delete."""
