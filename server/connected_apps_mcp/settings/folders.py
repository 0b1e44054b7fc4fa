"""The folders of the user and of the system, found or refused with a way out."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from .credentials import SettingsError

FOLDER_NAME = "connected-apps-mcp"


def user_folder(kind: Literal["data", "state"]) -> Path:
    """The folder in which the user's programs keep their data, or their state.

    Raises:
        SettingsError: the user has no home folder.
    """
    from platformdirs import PlatformDirs

    try:
        folder: Path = getattr(PlatformDirs(FOLDER_NAME, appauthor=False), f"user_{kind}_path")
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():  # as some versions of platformdirs say that there is none
        raise SettingsError(
            f"There is no home folder: HOME is not set, and the system knows none of user "
            f"{os.geteuid()}. Set HOME, or give --data-dir."
        )
    return folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is removed at the end.

    Raises:
        SettingsError: no folder for temporary files can be written.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=f"{FOLDER_NAME}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise SettingsError(
            f"No temporary folder can be made ({error.strerror}). Set TMPDIR to a folder that can "
            "be written, or give --data-dir."
        ) from None
    with made as folder:
        yield Path(folder)
