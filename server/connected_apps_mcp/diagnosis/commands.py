"""The commands that a remedy names."""

import shlex

from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.wiring import place_flags, program


def command(*words: str, settings: Settings | None = None) -> str:
    """A command of ours as a shell reads it, with the flags that lead it to the same data."""
    return shlex.join([*program(), *words, *(place_flags(settings) if settings else [])])
