"""Replaces files of this user that belong to other programs, and may hold credentials.

A file is replaced whole, and only if it is still what was read. Between the last look and the
replacement is a moment in which its program could still write.
"""

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LARGEST = 5 << 20
"""Bytes of the largest file that is read."""

MOST_LINKS = 40
"""Symbolic links that may follow one another."""


class FileRefused(Exception):
    """A file was not read, or not replaced. The text names the file and the way out."""


def target_of(path: Path) -> Path:
    """The file itself, where the path is a symbolic link of this user."""
    target = path.absolute()
    for followed in range(MOST_LINKS):
        if not target.is_symlink():
            if followed and not target.exists():
                raise FileRefused(f"{path} is a symbolic link to nothing. Correct or remove it.")
            if followed:
                _refuse_other_owner(target.parent.stat(), target.parent)
            return target
        _refuse_other_owner(target.lstat(), target)
        target = target.parent / target.readlink()
    raise FileRefused(f"{path} is a symbolic link to itself. Remove it.")


def read_target(path: Path) -> bytes | None:
    """The bytes of a file that is not a link; None where there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    _refuse_unusual(found, path)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        _refuse_unusual(os.fstat(file.fileno()), path)
        data = file.read(LARGEST)
        after = os.fstat(file.fileno())
    if _state(found) != _state(after):
        raise FileRefused(f"{path} is being written right now. Try again when its program is done.")
    return data


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _refuse_unusual(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FileRefused(f"{path} is not a regular file. Move away what is there.")
    _refuse_other_owner(found, path)
    if found.st_nlink > 1:
        raise FileRefused(
            f"{path} has another name too (a hard link), which would keep the old text. Replace it "
            "by a copy."
        )
    if found.st_size >= LARGEST:
        raise FileRefused(f"{path} is larger than {LARGEST >> 20} MiB. Change it by hand.")


def _refuse_other_owner(found: os.stat_result, path: Path) -> None:
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        raise FileRefused(f"{path} belongs to another user. Act as that user.")


def refuse_read_only(path: Path) -> None:
    """Refuse what is read-only on purpose, which a replacement would not notice, or not as root."""
    folder = path.parent
    places = [folder, path] if sys.platform != "win32" else [path]
    for place in places:
        if place.exists() and not place.stat().st_mode & stat.S_IWUSR:
            raise FileRefused(f"{place} is read-only. Make it writable, or change it by hand.")


def replace_unchanged(
    path: Path, earlier: bytes | None, data: bytes, *, new_mode: int = 0o600
) -> None:
    """Replace a file that still has the bytes that were read. Its permissions stay.

    Args:
        path: the file.
        earlier: its bytes; None if there was no file.
        data: its new bytes.
        new_mode: the permissions of a new file.

    Raises:
        FileRefused: it cannot be replaced, or it has changed. It is as it was.
    """
    with explained(path):
        target = target_of(path)
        refuse_read_only(target)
        with draft_of(target, data, new_mode=new_mode) as draft:
            if read_target(target_of(path)) != earlier:
                raise FileRefused(f"{path} has just changed, so it was left alone. Try again.")
            draft.replace(target)
        sync_folder(target.parent)


@contextmanager
def draft_of(path: Path, data: bytes, *, new_mode: int = 0o600) -> Iterator[Path]:
    """A new file beside another, with its permissions and group, or with those of a new file.

    A failure in the block removes it.
    """
    earlier = path.stat() if path.exists() else None
    mode = stat.S_IMODE(earlier.st_mode) if earlier else new_mode
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.draft")
    write_new(draft, data, mode)
    try:
        if earlier:
            _keep_group(draft, earlier)
        yield draft
    except BaseException:
        draft.unlink()
        raise


def _keep_group(draft: Path, earlier: os.stat_result) -> None:
    if sys.platform != "win32" and draft.stat().st_gid != earlier.st_gid:
        os.chown(draft, -1, earlier.st_gid)
        draft.chmod(stat.S_IMODE(earlier.st_mode))  # which the change of the group may reduce


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a new file to the disk, whole or not at all."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.chmod(mode)
    except BaseException:
        path.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Wait until new and removed names are on the disk, where the system offers it."""
    if sys.platform == "win32":
        return  # Windows has no way to do so
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say of an error of the system which file it is about."""
    try:
        yield
    except OSError as error:
        raise FileRefused(
            f"{path} cannot be used: {error.strerror}. It is unchanged. Correct that, and try "
            "again."
        ) from None
