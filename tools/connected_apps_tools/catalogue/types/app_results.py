"""The results of the tools that create, read, change and delete apps."""

from typing import Annotated, Any, Literal, Self

from connected_apps_tools.api.models import ConnectedApp, Model, Touched
from connected_apps_tools.api.operations import ApiRequest
from connected_apps_tools.text.printable import printable

from .app_view import (
    LOOSE,
    MAX_TEXT,
    UNTRUSTED_FIELDS,
    AppView,
    ShowsApps,
    more_of,
    shown_of,
    version_of,
)
from .secret_view import ClientSecret

TITLES = ("client_name", "client_description")
"""The fields that a list of apps shows of each."""


class PlannedRequest(Model):
    """The request of a dry run, without credentials."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    cut: list[str] | None = None
    """The fields of the body that are not shown whole."""

    @classmethod
    def of(cls, request: ApiRequest[Any]) -> Self:
        """A request as it is shown: its body may hold text of strangers."""
        body = request.body or {}
        return cls(
            method=request.operation.method,
            path=request.path,
            body={name: shown_of(name, value) for name, value in body.items()} or None,
            cut=[name for name, value in body.items() if more_of(name, value)] or None,
        )


WouldSend = Annotated[PlannedRequest | None, LOOSE]


class CreatedApp(ShowsApps):
    """The result of create_app."""

    app: Annotated[AppView | None, LOOSE] = None
    client_secret: Annotated[ClientSecret | None, LOOSE] = None
    would_send: WouldSend = None

    @property
    def revealed(self) -> str | None:
        """The new secret."""
        return self.client_secret.value if self.client_secret else None

    @property
    def touched(self) -> Touched | None:
        """The new app."""
        return Touched(self.app.client_id, relists=True) if self.app else None


class ShownApp(ShowsApps):
    """The result of get_app."""

    app: Annotated[AppView, LOOSE]


class Change(Model):
    """A field before and after. An empty value before is left out."""

    before: Any = None
    after: Any = None
    cut: Literal[True] | None = None
    """Whether the values are not shown whole."""
    added: list[str] | None = None
    removed: list[str] | None = None
    """The differences in a list that is too long to show."""

    @classmethod
    def of(cls, field: str, was: object, now: object) -> Self:
        """A change of a field, as it is shown."""
        cut = more_of(field, was) or more_of(field, now) or None
        if cut and isinstance(was, list) and isinstance(now, list):
            added = [each for each in now if each not in was]
            removed = [each for each in was if each not in now]
            return cls.model_validate(
                {
                    "cut": cut,
                    "added": shown_of(field, added),
                    "removed": shown_of(field, removed),
                }
            )
        before, after = shown_of(field, was), shown_of(field, now)
        return cls(
            before=None if before == "" else before,
            after="" if after is None else after,
            cut=cut,
        )


class ChangedApp(ShowsApps):
    """The result of update_app."""

    client_id: str
    changes: Annotated[dict[str, Change], LOOSE]
    version: str | None = None
    note: str | None = None
    would_send: WouldSend = None

    @classmethod
    def of(
        cls,
        before: ConnectedApp,
        after: ConnectedApp,
        *,
        note: str | None = None,
        would_send: PlannedRequest | None = None,
    ) -> Self:
        """The change from one state of an app to another."""
        was, now = before.model_dump(), after.model_dump()
        changes = {
            name: Change.of(name, was[name], now[name]) for name in was if was[name] != now[name]
        }
        return cls(
            client_id=printable(before.client_id, MAX_TEXT),
            changes=changes,
            version=None if would_send else version_of(after),
            note=note,
            would_send=would_send,
            untrusted=[name for name in UNTRUSTED_FIELDS if name in changes] or None,
        )

    @property
    def touched(self) -> Touched | None:
        """The app, where something has changed."""
        if self.would_send or not self.changes:
            return None
        return Touched(self.client_id, relists=not self.changes.keys().isdisjoint(TITLES))


class DeletedApp(ShowsApps):
    """The result of delete_app."""

    client_id: str
    deleted: bool
    former: Annotated[AppView, LOOSE]
    note: str | None = None
    would_send: WouldSend = None

    @property
    def touched(self) -> Touched | None:
        """The app that was deleted."""
        return Touched(self.client_id, relists=True) if self.deleted else None
