"""A private folder by its path, where the system has no descriptors of folders."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

if sys.platform == "win32":
    from .windows import full_path, open_file, open_private
else:  # for the tests
    from .posix import full_path, open_file, open_private

T = TypeVar("T")

PATIENCE_SECONDS = 1.0
"""How long another process can use a file before a change of it fails.

Windows does not replace a file that somebody reads, such as a virus scanner.
"""

PAUSE_SECONDS = 0.005


class PathFolder:
    """A private folder, open for use."""

    def __init__(self, path: Path) -> None:
        """Open the folder. The first use makes it."""
        self._path = Path(full_path(path))
        self._folder = open_private(path)

    def open(self, name: str, flags: int) -> int:
        """A file as a descriptor. A symbolic link is refused."""
        return _patiently(lambda: open_file(self._path / name, flags))

    def stat(self, name: str) -> os.stat_result:
        """What the system knows of a file or a symbolic link."""
        return (self._path / name).lstat()

    def names(self) -> list[str]:
        """The names of all files."""
        return [each.name for each in self._path.iterdir()]

    def replace(self, draft: str, name: str) -> None:
        """Give a file another name, and remove the file that had it."""
        _patiently(lambda: (self._path / draft).replace(self._path / name))

    def link(self, draft: str, name: str) -> None:
        """Give a file a second name, unless another file has it."""
        (self._path / name).hardlink_to(self._path / draft)

    def remove(self, name: str) -> None:
        """Remove a file."""
        _patiently((self._path / name).unlink)

    def sync(self) -> None:
        """Do nothing: NTFS keeps a journal of names, and has no call for this."""

    def close(self) -> None:
        """Close the folder."""
        os.close(self._folder)


def _patiently(operation: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return operation()
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
