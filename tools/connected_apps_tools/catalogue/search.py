"""The tool that finds apps. The service has no filters, so they are applied here, page by page."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from connected_apps_tools.api.models import WHOLE, ClientType, ConnectedApp, Request, Words
from connected_apps_tools.api.pagination import ENDLESS_PAGES, MAX_PAGE_SIZE, AppPages, End, Page
from connected_apps_tools.catalogue.types.app_requests import MaxBytes, MaxScanned
from connected_apps_tools.catalogue.types.app_view import (
    MAX_TEXT,
    OBJECTS,
    AppSummary,
    AppView,
    ShowsApps,
    rotating,
    size_of,
    untrusted_in,
)
from connected_apps_tools.context import ToolContext
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.text.printable import nearest, printable
from connected_apps_tools.text.urls import canonical_host, host_of
from connected_apps_tools.tool import Effect, Tool

from .ranking import MISSES, rank, ranked

SEARCH_FRAME_BYTES = 1_000
"""Bytes of a result besides its apps and its cursor."""

Stopped = Literal[End, "limit", "max_scanned", "max_bytes"]


MAX_NAMES = 1_000
"""Names that are searched for the nearest one where no app fits."""

FILTERS = {"query", "client_type", "redirect_host", "creation_method", "rotating"}


def _a_host(text: str) -> str:
    host = host_of(text) or canonical_host(text.removeprefix("*."))
    if host is None:
        raise PydanticCustomError("host", "must be a host alone, such as app.example")
    return host


class SearchApps(Request):
    """Which apps to find, and how much of them to show."""

    query: Annotated[str, Words("at least one word")] | None = Field(
        None,
        pattern=r"\S",
        max_length=200,
        description="Words that all occur in the name, description, id or a redirect URL.",
    )
    client_type: ClientType | None = None
    redirect_host: Annotated[str, AfterValidator(_a_host)] | None = Field(
        None,
        description="Host of a redirect URL, e.g. app.example, or a subdomain of it.",
    )
    creation_method: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="How the app was registered, as get_app shows it.",
    )
    rotating: bool | None = Field(None, description="Whether a secret rotation is under way.")
    detail: Literal["summary", "full"] = Field(
        "summary", description="full: all settings, as get_app shows them."
    )
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), WHOLE] = 20
    cursor: str | None = Field(
        None, min_length=1, description="next_cursor of the previous result."
    )
    max_scanned: MaxScanned = 10_000
    max_bytes: MaxBytes = 24_000

    @property
    def page_size(self) -> int:
        """Apps to read at once: as many as are wanted, or the most where few may fit."""
        return MAX_PAGE_SIZE if self.model_fields_set & FILTERS else self.limit

    def wants(self, app: ConnectedApp) -> bool:
        """Whether an app fits every filter."""
        return (
            (self.query is None or rank(app, self.query) < MISSES)
            and self.client_type in {None, app.client_type}
            and (self.creation_method or app.creation_method).casefold()
            == app.creation_method.casefold()
            and self.rotating in {None, rotating(app)}
            and (self.redirect_host is None or _leads_to(app, self.redirect_host))
        )


def _leads_to(app: ConnectedApp, wanted: str) -> bool:
    hosts = (host_of(url) or "" for url in app.redirect_urls)
    return any(host == wanted or host.endswith(f".{wanted}") for host in hosts)


class FoundApps(ShowsApps):
    """The result of search_apps."""

    apps: Annotated[list[AppSummary | AppView], OBJECTS]
    scanned: int
    total: int | None = None
    """None where the service does not count."""
    stopped: Stopped
    next_cursor: str | None = None
    note: str | None = None


def _order_of(query: str | None) -> str:
    return sha256(query.encode()).hexdigest()[:8] if query else ""


def _no_cursor(why: str) -> InvalidRequest:
    refusal = InvalidRequest(f"cursor: {why}")
    refusal.hint = "Leave cursor out to begin anew."
    return refusal


class _Place(BaseModel):
    """Where a search goes on: an app on a page of the service."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    page: str | None = None
    offset: int = Field(0, ge=0, lt=MAX_PAGE_SIZE)
    limit: int = Field(MAX_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)
    order: str = ""
    """A digest of the words that order the page."""

    @classmethod
    def begun(cls, request: "SearchApps") -> "_Place":
        """Where a search begins, or goes on.

        Raises:
            InvalidRequest: the cursor is not ours, or belongs to a search with other words.
        """
        order = _order_of(request.query)
        if not request.cursor:
            return cls(limit=request.page_size, order=order)
        try:
            place = cls.model_validate_json(urlsafe_b64decode(request.cursor.encode("ascii")))
        except (ValidationError, UnicodeEncodeError, binascii.Error):
            raise _no_cursor("it is not a next_cursor of search_apps.") from None
        if place.order != order:
            raise _no_cursor("it belongs to a search with another query.")
        return place

    @property
    def cursor(self) -> str:
        """The cursor of this place, for a result."""
        return urlsafe_b64encode(self.model_dump_json(exclude_defaults=True).encode()).decode()

    def after(self, walk: AppPages) -> "_Place | None":
        """The place where the pages ended; None where nothing follows."""
        return self._on(walk.cursor)

    def at(self, page: Page, offset: int) -> "_Place | None":
        """The place of an app on a page, or of the next page; None at the end."""
        if offset < len(page.apps):
            return self.model_copy(update={"page": page.cursor, "offset": offset})
        return self._on(page.next_cursor)

    def _on(self, cursor: str | None) -> "_Place | None":
        return self.model_copy(update={"page": cursor, "offset": 0}) if cursor else None


async def search_apps(context: ToolContext, request: SearchApps) -> FoundApps:
    """Find Connected Apps by name, type, redirect host or state, or list them.

    Returns a summary of each app that fits all filters, how many apps were scanned, and why the
    search stopped; with next_cursor it goes on exactly there. To see all settings of one app, use
    get_app.
    """
    place = _Place.begun(request)
    found = _Found(request)
    offset = place.offset
    walk = AppPages(context.api, cursor=place.page, limit=place.limit)
    async for page in walk:
        found.total = page.total
        apps = ranked(page.apps, request.query) if request.query else page.apps
        while offset < len(apps):
            stopped = found.take(apps[offset])
            offset += stopped != "max_bytes"
            if stopped:
                return found.result(stopped, place.at(page, offset))
        offset = 0
        await context.report_progress(found.scanned, page.total, f"{len(found.apps)} apps found")
    return found.result(walk.ended, place.after(walk))


@dataclass
class _Found:
    """The apps that a search has found so far."""

    request: SearchApps
    apps: list[AppSummary | AppView] = field(default_factory=list)
    scanned: int = 0
    total: int | None = None
    note: str | None = None
    _bytes: int = SEARCH_FRAME_BYTES
    _names: dict[str, str] = field(default_factory=dict)
    """The ids of the first apps, by name."""

    def take(self, app: ConnectedApp) -> Stopped | None:
        """Take an app if it fits; return why the search stops here, if it does.

        "max_bytes" means that the app itself is not taken.
        """
        if self.request.wants(app):
            view = self._view(app)
            if not self.apps and SEARCH_FRAME_BYTES + size_of(view) >= self.request.max_bytes:
                # One large app must not hide the apps after it.
                view = view.model_copy(update={"client_name": None, "redirect_hosts": []})
                self.note = f"{view.client_id} is too large to be shown here: use get_app."
            self._bytes += size_of(view) + 1
            if self._bytes > self.request.max_bytes:
                return "max_bytes"
            self.apps.append(view)
        elif len(self._names) < MAX_NAMES:
            self._names.setdefault(
                printable(app.client_name, MAX_TEXT).casefold(), printable(app.client_id, MAX_TEXT)
            )
        self.scanned += 1
        if len(self.apps) == self.request.limit:
            return "limit"
        return "max_scanned" if self.scanned == self.request.max_scanned else None

    def _view(self, app: ConnectedApp) -> AppSummary | AppView:
        if self.request.detail == "full":
            view = AppView.of(app)
            if self.apps or SEARCH_FRAME_BYTES + size_of(view) < self.request.max_bytes:
                return view
            self.note = f"{view.client_id} is larger than max_bytes, so this is its summary."
        return AppSummary.of(app)

    def result(self, stopped: Stopped, place: _Place | None) -> FoundApps:
        """The result of the search, which stopped here."""
        query = (self.request.query or "").casefold()
        whole = stopped == "end" and not self.request.cursor
        if whole and not self.apps and (near := nearest(query, self._names)):
            self.note = f"No app fits. The app with the nearest name is {self._names[near]}."
        if stopped in {"empty_page", "cycle"}:
            self.note = ENDLESS_PAGES
        return FoundApps(
            apps=self.apps,
            scanned=self.scanned,
            total=self.total,
            stopped=stopped if place or stopped == "cycle" else "end",
            next_cursor=place.cursor if place else None,
            note=self.note,
            untrusted=untrusted_in(*self.apps),
        )


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(search_apps, "Search apps", SearchApps, FoundApps, Effect.READS, page=True),
)
