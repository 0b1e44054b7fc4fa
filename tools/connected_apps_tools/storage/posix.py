"""Folders, locks and privacy by POSIX means.

A folder is a descriptor here, so nobody can put another folder in its place while it is used.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from .errors import StoreError

assert sys.platform != "win32"  # noqa: S101 - the check of types reads it

ROOT = 0
"""The user who can read and write everything anyway."""


class DescriptorFolder:
    """A private folder, open for use."""

    def __init__(self, path: Path) -> None:
        """Open the folder. The first use makes it."""
        self._folder = open_private(path)

    def open(self, name: str, flags: int) -> int:
        """A file as a descriptor. A symbolic link is refused."""
        return os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=self._folder)

    def stat(self, name: str) -> os.stat_result:
        """What the system knows of a file or a symbolic link."""
        return os.stat(name, dir_fd=self._folder, follow_symlinks=False)

    def names(self) -> list[str]:
        """The names of all files."""
        return os.listdir(self._folder)  # noqa: PTH208 - a descriptor

    def replace(self, draft: str, name: str) -> None:
        """Give a file another name, and remove the file that had it."""
        os.replace(draft, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def link(self, draft: str, name: str) -> None:
        """Give a file a second name, unless another file has it."""
        os.link(draft, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(name, dir_fd=self._folder)

    def sync(self) -> None:
        """Wait until new and removed names are on the disk."""
        sync(self._folder)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._folder)


def open_private(path: Path) -> int:
    """A folder as a descriptor. The first use makes it. One that is not private is refused."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise StoreError(f"{path} belongs to another user: choose another folder.")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise StoreError(f"{path} is open to other users: run chmod 700 on it.")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_file(path: Path, flags: int) -> int:
    """A file as a descriptor. A symbolic link is refused."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def full_path(path: Path) -> str:
    """The path in the form that has the widest limits."""
    return str(path)


def require_trusted(folder: Path) -> None:
    """Make a folder where there is none, and check that others cannot replace its contents.

    Raises:
        StoreError: they can.
        OSError: the folder cannot be made or read.
    """
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid not in {os.geteuid(), ROOT}:
        raise StoreError(f"{folder} belongs to another user: choose another folder.")
    if stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(f"{folder} can be written by other users: run chmod go-w on it.")


def user_name() -> str:
    """The name of the user of this process, or the number where there is no name."""
    import pwd

    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def way_to_close(_path: Path) -> str:
    """How a person closes a file to other users."""
    return "run chmod 600 on it"


def is_open_to_others(file: Path | int, bits: int = 0o077) -> bool:
    """Whether other users have one of these permissions on a file, or on what a descriptor opens.

    Raises:
        OSError: there is no such file.
    """
    return bool(os.stat(file).st_mode & bits)  # noqa: PTH116 - also a descriptor


def lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock a file until it is closed; False where another process has locked it."""
    import fcntl

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync(descriptor: int) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if sys.platform == "darwin":
        import fcntl

        try:  # fsync leaves it in the cache of the disk there
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:  # not every file system offers it
            os.fsync(descriptor)
    else:
        os.fsync(descriptor)
