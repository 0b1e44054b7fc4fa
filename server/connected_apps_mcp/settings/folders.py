"""The user's folders and temporary folders."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from connected_apps_tools.storage.system import user_name

from .credentials import SettingsError

FOLDER_NAME = "connected-apps-mcp"


def user_folder(kind: Literal["config", "data", "state"]) -> Path:
    """The user's folder for this program's configuration, data or state.

    Raises:
        SettingsError: the user has no home folder.
    """
    from platformdirs import PlatformDirs

    folders = PlatformDirs(FOLDER_NAME, appauthor=False)
    way_out = "Set HOME." if kind == "config" else "Set HOME, or give --data-dir."
    return _at_home(lambda: getattr(folders, f"user_{kind}_path"), way_out)


def home_folder() -> Path:
    """The user's home folder.

    Raises:
        SettingsError: the user has none.
    """
    return _at_home(Path.home, "Set HOME.")


def _at_home(find: Callable[[], Path], way_out: str) -> Path:
    try:
        folder = find()
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():  # some versions of platformdirs report a missing home this way
        raise SettingsError(
            f"No home folder: HOME is not set, and user {user_name()} has none. {way_out}"
        )
    return folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder, removed on exit.

    Raises:
        SettingsError: no temporary folder can be created.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=f"{FOLDER_NAME}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise SettingsError(
            f"Cannot create a temporary folder ({error.strerror}). Set TMPDIR to a writable "
            "folder, or give --data-dir."
        ) from None
    with made as folder:
        yield Path(folder)
