"""Describes tools as clients read them."""

from collections.abc import Mapping
from typing import Any

from mcp import types

from connected_apps_tools import Effect, Tool

ANNOTATIONS: Mapping[Effect, types.ToolAnnotations] = {
    effect: types.ToolAnnotations(
        read_only_hint=effect is Effect.READS,
        # To MCP, everything is destructive that is not purely additive. A shown secret cannot be
        # hidden again, and hosts ask a person before destructive tools.
        destructive_hint=effect not in {Effect.READS, Effect.ADDS},
        idempotent_hint=effect is not Effect.ADDS,
        # Every result may have text of strangers.
        open_world_hint=True,
    )
    for effect in Effect
}


PAGE_URI = "ui://connected-apps/page.html"


def describe(tool: Tool[Any, Any], *, page: bool = False) -> types.Tool:
    """The entry in the list of tools. With `page`, it is for a client that shows the page."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.request.json_schema(),
        output_schema=tool.result.json_schema(),
        annotations=ANNOTATIONS[tool.effect],
        meta=_about_page(tool) if page else None,
    )


def _about_page(tool: Tool[Any, Any]) -> dict[str, Any] | None:
    """What the extension for pages says of a tool. Hosts of its early days read the second key."""
    if tool.listed_to == "page":
        return {"ui": {"visibility": ["app"]}}
    if tool.opens_page:
        return {"ui": {"resourceUri": PAGE_URI}, "ui/resourceUri": PAGE_URI}
    return None
