"""What agents can do with Connected Apps. Knows nothing of MCP.

The tools are imported when the first of the names below is asked for: the command line shows its
help, and refuses settings, without them.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from connected_apps_tools.catalogue.toolsets import CATALOGUE, TOOLSETS

    from .context import ToolContext
    from .tool import Effect, Tool

__all__ = [
    "CATALOGUE",
    "DEFAULT_TOOLSETS",
    "TOOLSETS",
    "TOOLSET_NAMES",
    "Effect",
    "ProjectKind",
    "Tool",
    "ToolContext",
]

TOOLSET_NAMES = ("apps", "rotation", "grants", "organizations", "review", "manifest")
"""What an operator can choose from."""

ProjectKind = Literal["consumer", "b2b"]
"""What a project has: users, or organizations with members."""

DEFAULT_TOOLSETS: Mapping[ProjectKind | None, Sequence[str]] = {
    "consumer": ("apps", "rotation", "grants", "review"),
    "b2b": ("apps", "rotation", "organizations", "review"),
    None: ("apps", "rotation", "grants", "organizations", "review"),
}
"""What a project needs, by its kind. Where the kind is not known, that is all but apps as code."""

_HOMES = {
    "CATALOGUE": "catalogue.toolsets",
    "TOOLSETS": "catalogue.toolsets",
    "ToolContext": "context",
    "Effect": "tool",
    "Tool": "tool",
}

if not TYPE_CHECKING:  # else every name would be taken for one of ours

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
