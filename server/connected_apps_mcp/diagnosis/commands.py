"""The commands that a remedy names."""

import shlex
import sys
from pathlib import Path

from connected_apps_mcp.settings.settings import Settings
from connected_apps_mcp.wiring import place_flags, program
from connected_apps_tools.storage.system import way_to_close
from connected_apps_tools.text.command_lines import command_line


def command(*words: str, settings: Settings | None = None) -> str:
    """A command of ours as a shell reads it, with the flags that lead it to the same data."""
    return command_line([*program(), *words, *(place_flags(settings) if settings else [])])


def change_mode(mode: str, path: Path) -> str:
    """How to change the permissions of a file or a folder, as the start of a remedy."""
    if sys.platform == "win32":
        return f"To make it yours alone, {way_to_close(path)}."
    return f"Run: chmod {mode} {shlex.quote(str(path))}."
