"""An app as a model reads it: printable, cut to bounds, without empty fields.

Strangers may have written names, descriptions and URLs, because they can register apps themselves
(KNOWN: dynamic client registration and client-id metadata documents exist). Invisible characters
are removed from their text and percent-encoded in their URLs, and results name these fields.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Self

from pydantic import WithJsonSchema
from pydantic_core import to_json

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import App, ConnectedApp, Model, Result
from connected_apps_tools.secrets.delivery.records import Delivery
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.text.urls import targets_of

MAX_TEXT = 200
MAX_URL = 2000
LONGER = {
    "client_description": 1000,
    "access_token_template_content": 8000,
    "id_token_template_content": 8000,
}
"""The most characters that are shown: of a field, of a URL, and of some longer fields."""

URLS = ("_url", "_urls")
"""Fields with these endings hold URLs."""

MAX_URLS = 100
"""The most URLs of a list that are shown."""

EMPTY: tuple[object, ...] = (None, "", [])
"""Values that a view leaves out."""

HOSTS_SHOWN = 3

LOOSE = WithJsonSchema({"type": "object"})
"""The schema of an object with field names that a model understands by themselves."""

OBJECTS = WithJsonSchema({"type": "array", "items": {"type": "object"}})
"""The same for a list of such objects."""

UNTRUSTED_FIELDS = (
    "client_name",
    "client_description",
    "redirect_urls",
    "redirect_hosts",
    "post_logout_redirect_urls",
    "logo_url",
    "client_id_metadata_url",
)
"""The fields that strangers may have written."""


class View(Model):
    """An app as it is shown."""

    client_id: str
    client_name: str | None = None
    client_type: str
    status: str
    version: str | None = None
    """The value for `if_unchanged`."""


class AppSummary(View):
    """An app in brief, to choose from many."""

    redirect_hosts: list[str]
    redirect_urls_count: int
    rotating: bool

    @classmethod
    def of(cls, app: ConnectedApp) -> Self:
        """The summary of an app."""
        hosts = targets_of(app.redirect_urls)[:HOSTS_SHOWN]
        return cls(
            client_id=printable(app.client_id, MAX_TEXT),
            client_name=printable(app.client_name, MAX_TEXT) or None,
            client_type=printable(app.client_type, MAX_TEXT),
            status=printable(app.status, MAX_TEXT),
            version=version_of(app),
            redirect_hosts=[printable_url(host, MAX_TEXT) for host in hosts],
            redirect_urls_count=len(app.redirect_urls),
            rotating=rotating(app),
        )


class ShownDelivery(Model):
    """Which secret a destination got last, and when."""

    destination: str
    last_four: str
    delivered_at: str

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """A recorded delivery."""
        return cls(
            destination=delivery.destination,
            last_four=delivery.last_four,
            delivered_at=delivery.delivered_at.isoformat(timespec="seconds"),
        )


class AppView(View):
    """An app in full."""

    client_description: str | None = None
    creation_method: str | None = None
    redirect_urls: list[str]
    post_logout_redirect_urls: list[str] | None = None
    access_token_expiry_minutes: int
    access_token_custom_audience: str | None = None
    access_token_template_content: str | None = None
    id_token_template_content: str | None = None
    full_access_allowed: bool
    bypass_consent_for_offline_access: bool
    logo_url: str | None = None
    client_id_metadata_url: str | None = None
    client_secret_last_four: str | None = None
    next_client_secret_last_four: str | None = None
    deliveries: list[ShownDelivery] | None = None
    """Which secret each destination got last; in get_app alone."""
    cut: list[str] | None = None
    """The fields that are not shown whole."""

    @classmethod
    def of(cls, app: App, *, uncut: bool = False) -> Self:
        """The view of an app."""
        fields = cls.model_fields
        whole = {
            name: value
            for name, value in vars(app).items()
            if name in fields and value not in EMPTY
        }
        shown = {name: shown_of(name, value, uncut=uncut) for name, value in whole.items()}
        cut = [name for name in whole if shown[name] != whole[name] and more_of(name, whole[name])]
        return cls.model_validate(
            {
                "redirect_urls": [],
                "version": version_of(app),
                "cut": None if uncut else cut or None,
                **{name: value for name, value in shown.items() if value not in EMPTY},
            }
        )


class ShowsApps(Result):
    """A result that shows apps."""

    untrusted: list[str] | None = None
    """The fields that strangers may have written."""


def untrusted_in(*views: View) -> list[str] | None:
    """The fields of some views that strangers may have written."""
    there = {name for view in views for name, value in vars(view).items() if value}
    return [name for name in UNTRUSTED_FIELDS if name in there] or None


def rotating(app: App) -> bool:
    """Whether a rotation is under way."""
    return app.next_client_secret_last_four is not None


def shown_of(field: str, value: object, *, uncut: bool = False) -> object:
    """The value of a field, as it is shown."""
    show, bound = _rule(field)
    limit = sys.maxsize if uncut else bound
    if isinstance(value, str):
        return show(value, limit)
    if isinstance(value, list):
        shown = value if uncut else value[:MAX_URLS]
        return [show(str(each), limit) for each in shown]
    return value


def more_of(field: str, value: object) -> bool:
    """Whether a value is not shown whole."""
    if isinstance(value, str):
        show, bound = _rule(field)
        return len(show(value, sys.maxsize)) > bound
    if isinstance(value, list):
        return len(value) > MAX_URLS or any(more_of(field, str(each)) for each in value)
    return False


@cache
def _rule(field: str) -> tuple[Callable[[str, int], str], int]:
    """How the text of a field is shown, and its bound."""
    if field.endswith(URLS):
        return printable_url, MAX_URL
    return printable, LONGER.get(field, MAX_TEXT)


def size_of(shown: Model, exclude: set[str] | None = None) -> int:
    """Bytes of a view in a result, without some of its fields."""
    return len(to_json(shown, exclude_none=True, exclude=exclude))
