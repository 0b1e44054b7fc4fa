"""An app, parsed for a review."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from connected_apps_tools.api.models import ConnectedApp, is_confidential
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.text.urls import Url, parse

from .limits import ReviewLimits

MAX_SHOWN_URL = 200
MAX_FACT_TEXT = 80


def shown(text: str) -> str:
    """An untrusted name or host, printable and cut for a fact."""
    return printable(text, MAX_FACT_TEXT)


def shown_url(url: str) -> str:
    """An untrusted URL, printable and cut for a fact."""
    return printable_url(url, MAX_SHOWN_URL)


@dataclass(frozen=True)
class FieldUrl:
    """A URL of an app. Its text is the subject of a sentence."""

    field: str
    url: Url

    def __str__(self) -> str:
        return f"The {self.field} {shown_url(self.url.text)}"


@dataclass(frozen=True)
class ParsedApp:
    """An app with its URLs parsed once for all checks."""

    app: ConnectedApp
    limits: ReviewLimits

    @cached_property
    def redirects(self) -> list[FieldUrl]:
        """The URLs that receive authorization codes."""
        return [FieldUrl("redirect URL", parse(url)) for url in self.app.redirect_urls]

    @cached_property
    def post_logout_redirects(self) -> list[FieldUrl]:
        """The URLs that users are sent to after logout."""
        urls = self.app.post_logout_redirect_urls
        return [FieldUrl("post-logout redirect URL", parse(url)) for url in urls]

    @property
    def links(self) -> list[FieldUrl]:
        """All redirect and post-logout redirect URLs."""
        return self.redirects + self.post_logout_redirects

    @property
    def valid_links(self) -> Iterator[FieldUrl]:
        """The links that all parsers read alike."""
        return (link for link in self.links if not link.url.problem)

    @property
    def first_party(self) -> bool:
        """Whether the app is the operator's own."""
        return self.app.client_type.startswith("first_party")

    @property
    def confidential(self) -> bool:
        """Whether the app has a secret."""
        return is_confidential(self.app.client_type)

    @cached_property
    def by_stranger(self) -> bool:
        """Whether a stranger registered the app, judging by what the service shows."""
        method = self.app.creation_method.casefold()
        return bool(self.app.client_id_metadata_url) or any(
            word.casefold() in method for word in self.limits.stranger_methods
        )

    @property
    def distance(self) -> int:
        """How far the app is from the operator: 0 own, 1 a third party's, 2 a stranger's."""
        return 2 if self.by_stranger else 0 if self.first_party else 1
