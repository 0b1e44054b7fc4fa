"""Apps as MCP resources: the list, and each app in sections."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

from mcp import MCPError, types
from mcp.server import Server
from pydantic import ValidationError

from connected_apps_mcp.callers import current_caller
from connected_apps_mcp.egress import AnyContext
from connected_apps_mcp.protocol.access.authorization import POLICY
from connected_apps_mcp.protocol.access.rights import RightsOfCallers
from connected_apps_mcp.protocol.descriptions import PAGE_URI
from connected_apps_mcp.protocol.error_results import protocol_error
from connected_apps_tools import Tool, ToolContext
from connected_apps_tools.api.models import ConnectedApp, OneApp, is_confidential
from connected_apps_tools.api.pagination import AppPages
from connected_apps_tools.catalogue.types.app_results import ShownApp
from connected_apps_tools.catalogue.types.app_view import MAX_TEXT, MAX_URL
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.text.printable import printable

from .manifest import RESOURCE as MANIFEST
from .manifest import offers_manifest, read_manifest_resource
from .page import read_page

SCHEME = "connected-app://"
JSON = "application/json"

TEMPLATE = types.ResourceTemplate(
    name="connected-app",
    title="A Connected App",
    uri_template=f"{SCHEME}{{client_id}}",
    description="One OAuth client: its identity, OAuth settings and lifecycle. Names, descriptions "
    "and URLs may be strangers' text.",
    mime_type=JSON,
)

PAGE_SIZE = 100
"""Apps on one page of the list."""

UNTRUSTED_META = "connected-apps-mcp/untrusted"
"""The key in `_meta` with the fields of a list that strangers may have written."""

BAD_REQUEST = 400
"""The service's status for a cursor that is not its own (INFERRED)."""

BAD_CURSOR = (
    "cursor: it is not a nextCursor of resources/list. Leave it out to start from the first page."
)

SECTIONS: Mapping[str, Sequence[str]] = {
    "client": (
        "client_id",
        "client_name",
        "client_description",
        "client_type",
        "logo_url",
        "client_id_metadata_url",
    ),
    "oauth_config": (
        "redirect_urls",
        "post_logout_redirect_urls",
        "access_token_expiry_minutes",
        "access_token_custom_audience",
        "access_token_template_content",
        "id_token_template_content",
        "full_access_allowed",
        "bypass_consent_for_offline_access",
    ),
    "lifecycle": ("status", "creation_method", "version"),
    "rotation": ("client_secret_last_four", "next_client_secret_last_four", "deliveries"),
}
"""The section of each field of an app; `rotation` goes into `lifecycle`."""


def uri_of(client_id: str) -> str:
    """The URI of an app."""
    return SCHEME + quote(client_id, safe="")


def app_at(uri: str) -> OneApp:
    """The app of a URI.

    Raises:
        MCPError: it is not the URI of an app.
    """
    with suppress(ValidationError):
        if uri.startswith(SCHEME):
            return OneApp(client_id=uri.removeprefix(SCHEME))
    raise no_such_resource(uri)


def no_such_resource(uri: str) -> MCPError:
    """The error for a URI without a resource; MCP requires the URI as data."""
    return MCPError(
        code=types.INVALID_PARAMS,
        message=f"uri: there is no such resource. The URI of an app is {TEMPLATE.uri_template}.",
        data={"uri": printable(uri, MAX_URL)},
    )


def add_resources(
    server: Server[Any],
    rights: RightsOfCallers,
    *,
    on_list: Callable[[AnyContext], object],
) -> None:
    """Add apps as resources to a server. It calls `on_list` when a client reads the list."""

    async def list_apps(
        context: AnyContext, params: types.PaginatedRequestParams
    ) -> types.ListResourcesResult:
        project = readable_project(rights)
        on_list(context)
        try:
            cursor = _opened(params.cursor) if params.cursor else None
            page = await anext(aiter(AppPages(project.api, cursor=cursor, limit=PAGE_SIZE)))
        except ConnectedAppsError as error:
            if params.cursor and getattr(error, "status", None) == BAD_REQUEST:
                raise MCPError(code=types.INVALID_PARAMS, message=BAD_CURSOR) from None
            raise protocol_error(error, project.server) from None
        more = [] if params.cursor or not offers_manifest(rights) else [MANIFEST]
        return types.ListResourcesResult(
            resources=[*more, *map(_entry, page.apps)],
            next_cursor=_cursor(page.next_cursor) if page.next_cursor else None,
            meta={UNTRUSTED_META: ["title", "description"]},
        )

    async def list_templates(
        _context: AnyContext, _params: types.PaginatedRequestParams
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])

    async def read(
        context: AnyContext, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        current = rights.current(context)
        if params.uri == PAGE_URI and current.page:
            return types.ReadResourceResult(contents=[read_page(current)])
        project = readable_project(rights)
        get_app: Tool[Any, ShownApp] = rights.everybody.offer.on["get_app"]
        try:
            if params.uri == MANIFEST.uri and offers_manifest(rights):
                contents = await read_manifest_resource(project)
                return types.ReadResourceResult(contents=[*contents])
            shown = await get_app(project, app_at(params.uri))
        except ConnectedAppsError as error:
            error.hint = await project.hint_for(error)
            raise protocol_error(error, project.server, uri=params.uri) from None
        text = json.dumps(structured(shown), ensure_ascii=False, separators=(",", ":"))
        content = types.TextResourceContents(uri=params.uri, mime_type=JSON, text=text)
        return types.ReadResourceResult(contents=[content])

    paged = types.PaginatedRequestParams
    server.add_request_handler("resources/list", paged, list_apps)
    server.add_request_handler("resources/templates/list", paged, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read)


def readable_project(rights: RightsOfCallers) -> ToolContext:
    """The project, for a caller that may read apps.

    Raises:
        MCPError: the caller may not.
    """
    current = rights.current()
    if not current.shows_apps:
        raise MCPError(code=types.INVALID_REQUEST, message=POLICY)
    return current.project


def _cursor(cursor: str) -> str:
    """A cursor for the current caller."""
    caller = current_caller()
    mark = "" if caller.user else f"{caller.identity}."
    return mark + quote(cursor, safe="")


def _opened(cursor: str) -> str:
    """The cursor of the service in one of the current caller.

    Raises:
        MCPError: it is another caller's.
    """
    caller = current_caller()
    mark = "" if caller.user else f"{caller.identity}."
    if not cursor.startswith(mark):
        raise MCPError(code=types.INVALID_PARAMS, message=BAD_CURSOR)
    return unquote(cursor.removeprefix(mark))


def _entry(app: ConnectedApp) -> types.Resource:
    return types.Resource(
        uri=uri_of(app.client_id),
        name=printable(app.client_id, MAX_TEXT),
        title=printable(app.client_name, MAX_TEXT) or None,
        description=printable(app.client_description, MAX_TEXT) or None,
        mime_type=JSON,
    )


def structured(shown: ShownApp) -> dict[str, Any]:
    """An app in sections, without empty fields."""
    app = shown.app.model_dump(mode="json", exclude_none=True)
    sections: dict[str, dict[str, Any]] = {
        section: {name: app[name] for name in names if name in app}
        for section, names in SECTIONS.items()
    }
    client_type = shown.app.client_type
    sections["client"]["confidential"] = is_confidential(client_type)
    sections["client"]["party"] = client_type.removesuffix("_public")
    rotation = sections.pop("rotation")
    state = "rotating" if "next_client_secret_last_four" in rotation else "not_rotating"
    sections["lifecycle"]["rotation"] = {"state": state, **rotation}
    return {**sections, "untrusted": shown.untrusted or [], "cut": shown.app.cut or []}
