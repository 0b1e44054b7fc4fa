"""What agents can do with Connected Apps. Knows nothing of MCP."""

from . import apps
from .tool import Effect, Tool

__all__ = ["CATALOGUE", "Effect", "Tool"]

CATALOGUE = apps.TOOLS
"""Every tool, in the order in which it is listed."""
