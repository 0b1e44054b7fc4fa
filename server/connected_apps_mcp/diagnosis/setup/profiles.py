"""Checks the profiles that are not in use: `credentials` checks the one that is."""

from collections.abc import Iterator

from connected_apps_mcp.diagnosis.check import Machine, Result, broken, cause, ok, warning
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.settings.credentials import SettingsError
from connected_apps_mcp.settings.profiles import Profiles


def profiles(machine: Machine) -> Iterator[Result]:
    """Whether each profile can be read, with its secret."""
    used = machine.settings.profile if machine.settings else None
    try:
        book = Profiles()
        names = book.names()
    except SettingsError as error:
        remedy = "Set HOME to a folder of yours, with a folder for configurations that you can use."
        yield broken(cause(error), f"{remedy} Then run: {command('login')}")
        return
    for name in names:
        try:
            profile = book.find(name)
            if profile and name != used:
                book.secret_of(name, profile.secret_in)
        except SettingsError as error:
            again = f"Run: {command('login', '--profile', name)}. If it is no longer needed, run: "
            yield warning(cause(error), again + command("logout", "--profile", name))
        else:
            yield ok(f"{name} can be used.")
