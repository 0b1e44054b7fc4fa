"""Checks the destinations of the policy."""

from collections.abc import Iterator
from pathlib import Path

from connected_apps_mcp.diagnosis.check import Result, broken, ok, warning
from connected_apps_mcp.diagnosis.commands import change_mode
from connected_apps_mcp.settings.settings import Settings
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.safety.destinations import Destination
from connected_apps_tools.secrets.delivery.bringing import means_of
from connected_apps_tools.storage.system import is_open_to_others


def destinations(settings: Settings) -> Iterator[Result]:
    """Whether client secrets can be brought to the destinations of the policy. None is brought."""
    try:
        named = settings.loaded_policy.destinations
    except InvalidRequest:  # `policy` reports it
        return
    for name, destination in named.items():
        yield _checked(name, destination)


def _checked(name: str, destination: Destination) -> Result:
    if problem := means_of(destination).problem():
        remedy = (
            "Install the command, or give its whole path"
            if destination.command
            else "Correct that, or name another file"
        )
        return broken(f"{name}: {problem}", f"{remedy} in [destinations.{name}] of the policy.")
    if destination.command:
        return ok(f"{name}: {destination.command[0]} is found.")
    file = Path(destination.file or "")
    if file.exists() and is_open_to_others(file):
        return warning(f"{name}: other users can read {file}.", change_mode("600", file))
    return ok(f"{name}: {file} can be replaced.")
