"""What agents can do with Connected Apps. Knows nothing of MCP.

The tools are imported when the first of the names below is asked for: the command line shows its
help, and refuses settings, without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalogue import CATALOGUE, TOOLSETS
    from .project import Project
    from .tool import Effect, Tool

__all__ = [
    "CATALOGUE",
    "DEFAULT_TOOLSETS",
    "TOOLSETS",
    "TOOLSET_NAMES",
    "Effect",
    "Project",
    "Tool",
]

TOOLSET_NAMES = ("apps", "rotation", "grants", "organizations", "review")
"""What an operator can choose from."""

DEFAULT_TOOLSETS = ("apps", "rotation", "grants", "review")
"""What most projects need: those without organizations."""

_HOMES = {
    "CATALOGUE": "catalogue",
    "TOOLSETS": "catalogue",
    "Project": "project",
    "Effect": "tool",
    "Tool": "tool",
}

if not TYPE_CHECKING:  # else every name would be taken for one of ours

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
