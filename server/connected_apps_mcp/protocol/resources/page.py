"""The page as a resource, for clients that show one in the conversation (MCP Apps).

It is in no list: a client finds it through the tools that open it.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from mcp import types
from mcp.server.apps import APP_MIME_TYPE

from connected_apps_mcp.protocol.access.rights import Rights
from connected_apps_mcp.protocol.descriptions import PAGE_URI
from connected_apps_tools import ToolContext

FILE = Path(__file__).parents[2] / "page" / "page.html"

EMPTY = '<script type="application/json" id="about">null</script>'
"""Where the page reads what the server says about itself."""

META: dict[str, Any] = {
    "ui": {
        # From nowhere but the document itself; its own policy is stricter still.
        "csp": {
            "connectDomains": [],
            "resourceDomains": [],
            "frameDomains": [],
            "baseUriDomains": [],
        },
        "permissions": {"clipboardWrite": {}},
        "prefersBorder": True,
    }
}
"""What the page needs of the frame around it."""

SHOWN_OF_TOOLS = {"name", "title", "description", "input_schema"}


def read_page(rights: Rights) -> types.TextResourceContents:
    """The page, with what it has to know about the server and the caller's tools."""
    about = about_server(rights.project, rights.listing.tools)
    written = json.dumps(about, separators=(",", ":")).replace("<", "\\u003c")
    filled = EMPTY.replace("null", written)
    return types.TextResourceContents(
        uri=PAGE_URI, mime_type=APP_MIME_TYPE, text=_html().replace(EMPTY, filled), meta=META
    )


def about_server(project: ToolContext, tools: Iterable[types.Tool]) -> dict[str, Any]:
    """What the page has to know, in the client and in the console: page/README.md."""
    return {
        "project_id": project.api.project_id,
        "environment": project.server.environment,
        "version": project.server.version,
        "tools": [as_page_reads(tool) for tool in tools],
        "destinations": list(project.policy.destinations),
    }


def as_page_reads(tool: types.Tool) -> dict[str, Any]:
    """A tool, without what the page does not read."""
    return tool.model_dump(mode="json", by_alias=True, include=SHOWN_OF_TOOLS, exclude_none=True)


@cache
def _html() -> str:
    return FILE.read_text("utf-8")
