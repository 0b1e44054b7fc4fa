"""Checks the folders and files with data: owner, access, space."""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from connected_apps_mcp.confirmation.state_keys import read_keys
from connected_apps_mcp.diagnosis.check import Result, broken, cause, ok, warning
from connected_apps_mcp.diagnosis.commands import change_mode
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.system import require_trusted

ANOTHER = "give another folder with --data-dir"

LEAST_FREE = 100 * 1024 * 1024
"""Free space (bytes) that is no cause for concern."""


def folders(settings: Settings) -> Iterator[Result]:
    """Whether only the user can change the data folder, and the file with keys."""
    try:
        folder = settings.data_folder
    except SettingsError as error:
        yield broken(
            cause(error), "Set HOME to your home folder, or give a folder with --data-dir."
        )
        return
    yield _data_folder(folder) if folder else ok("The data is temporary.")
    if settings.state_key_file:
        try:
            read_keys(settings.state_key_file)
        except SettingsError as error:
            yield broken(cause(error), private_file(settings.state_key_file))


def _data_folder(folder: Path) -> Result:
    existing = _existing(folder)
    if not existing.is_dir():
        return broken(f"{existing} is no folder.", f"Move it away, or {ANOTHER}.")
    remedy = f"{change_mode('go-w', folder)} If it is not yours, {ANOTHER}."
    try:
        if is_there(folder):
            require_trusted(folder)
    except StoreError as error:
        return broken(cause(error), remedy)
    except OSError as error:
        return broken(f"{folder} cannot be used: {error.strerror}.", remedy)
    if not os.access(existing, os.W_OK | os.X_OK):
        return broken(
            f"{existing} cannot be written.",
            f"{change_mode('u+rwx', existing)} If it is not yours, {ANOTHER}.",
        )
    return ok(f"{folder} is yours." if is_there(folder) else f"{folder} is made at the first use.")


def usable_data_folder(settings: Settings) -> Path | None:
    """The data folder; None for a temporary one, or if `folders` reports it."""
    try:
        folder = settings.data_folder
    except SettingsError:
        return None
    return folder if folder and _data_folder(folder).state == "ok" else None


def disk(settings: Settings) -> Iterator[Result]:
    """Whether there is space for what the server writes."""
    try:
        places = [each for each in (settings.data_folder, settings.audit_folder) if each]
    except SettingsError:  # `folders` reports it
        return
    for place in dict.fromkeys(map(_existing, places)):
        free = shutil.disk_usage(place).free
        text = f"{free // 2**20:,} MiB are free in {place}."
        if free >= LEAST_FREE:
            yield ok(text)
        else:
            yield warning(text, f"Free space there, or {ANOTHER} and --audit-log.")


def private_folder(folder: Path) -> str:
    """How to make a folder private."""
    return f"{change_mode('700', folder)} If it is a link, or not yours, move it away."


def private_file(file: Path) -> str:
    """How to make a file with keys private."""
    return (
        f"{change_mode('600', file)} If it has no key, make one with "
        f"'openssl rand -hex 32 > {shlex.quote(str(file))}'."
    )


def is_there(path: Path) -> bool:
    """Whether a path exists, as far as this user can see."""
    return os.access(path, os.F_OK)


def _existing(path: Path) -> Path:
    """The nearest folder above a path that is there, or the path itself."""
    return next(each for each in (path, *path.parents) if is_there(each))
