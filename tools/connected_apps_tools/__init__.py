"""What agents can do with Connected Apps. Knows nothing of MCP."""

from . import apps, rotation
from .project import Project
from .tool import Effect, Tool

__all__ = ["CATALOGUE", "Effect", "Project", "Tool"]

CATALOGUE = apps.TOOLS + rotation.TOOLS
"""Every tool, in the order in which it is listed."""
