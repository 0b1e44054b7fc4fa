"""Every tool there is, by toolset."""

from collections.abc import Mapping, Sequence
from typing import Any

from connected_apps_tools.tool import Tool

from . import apps, clone, grants, review, search, status
from .manifest import tools as manifest
from .secrets import check, console, delivery, page, rotation

TOOLSETS: Mapping[str, Sequence[Tool[Any, Any]]] = {
    "apps": apps.TOOLS + search.TOOLS + clone.TOOLS,
    "rotation": (rotation.TOOLS + check.TOOLS + delivery.TOOLS + page.TOOLS + console.TOOLS),
    "grants": grants.USER_TOOLS,
    "organizations": grants.ORGANIZATION_TOOLS,
    "review": review.TOOLS,
    "manifest": manifest.TOOLS,
    "": status.TOOLS,
}
"""Every tool, by toolset, in the order in which they are listed; without a name, in each."""

CATALOGUE: Sequence[Tool[Any, Any]] = [tool for tools in TOOLSETS.values() for tool in tools]
"""Every tool, in the order in which it is listed."""
