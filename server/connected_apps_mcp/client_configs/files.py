"""Reads and replaces the configuration file of a client, which may hold others' credentials.

A file is replaced whole, and only if it is still what was read. Between the last look and the
replacement is a moment in which a client could still write; the backup has what was there before.
"""

import codecs
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path

LARGEST = 5 << 20
"""Bytes of the largest file that is read."""

BACKUP = ".before-connected-apps"
"""Ending of a backup, before its number."""

MOST_LINKS = 40
"""Symbolic links that may follow one another."""


class FileRefused(Exception):
    """A file was not read, or not replaced. The text names the file and the way out."""


def read_config(path: Path) -> str:
    """The text of a configuration file; "" where there is none.

    Raises:
        FileRefused: it is not a file that this user can safely edit.
    """
    with _explained(path):
        return _read(_target(path)) or ""


def replace_config(path: Path, old: str, new: str) -> Path | None:
    """Replace a configuration file if its text is still `old`. "" for `old` makes a new file.

    First, an earlier file is copied to a backup beside it, for its owner only. With "" for `new`
    the file goes, unless a backup says that it was there and empty. Its permissions stay.

    Returns:
        The backup; None where there was no file, or where nothing changes.

    Raises:
        FileRefused: the file cannot be replaced, or has changed. It is as it was.
    """
    if old == new:
        return None
    with _explained(path):
        target, earlier = _looked_at(path, old)
        _refuse_read_only(target)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup = None if earlier is None else _backed_up(target, earlier)
        if new or _was_empty(target):
            with _draft(target, new.encode()) as draft:
                _looked_at(path, old)
                draft.replace(target)
        else:
            _looked_at(path, old)
            target.unlink()
        _sync(target.parent)
        return backup


def _looked_at(path: Path, old: str) -> tuple[Path, str | None]:
    target = _target(path)
    found = _read(target)
    if (found or "") != old:
        raise FileRefused(f"{path} has just changed, so it was left alone. Run the command again.")
    return target, found


def _target(path: Path) -> Path:
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


def _read(path: Path) -> str | None:
    """The text of a file that is not a link; None where there is none."""
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
    return _text(data, path)


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
        raise FileRefused(f"{path} is larger than {LARGEST >> 20} MiB. Add the entry by hand.")


def _refuse_other_owner(found: os.stat_result, path: Path) -> None:
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        raise FileRefused(f"{path} belongs to another user. Run the command as that user.")


def _refuse_read_only(path: Path) -> None:
    """Refuse what is read-only on purpose, which a replacement would not notice, or not as root."""
    folder = path.parent
    places = [folder, path] if sys.platform != "win32" else [path]
    for place in places:
        if place.exists() and not place.stat().st_mode & stat.S_IWUSR:
            raise FileRefused(f"{place} is read-only. Make it writable, or add the entry by hand.")


def _text(data: bytes, path: Path) -> str:
    if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FileRefused(
            f"{path} starts with a byte order mark, which many clients cannot read. Save it as "
            "UTF-8 without one."
        )
    if b"\0" in data:
        raise FileRefused(f"{path} has NUL bytes, so it is damaged or not UTF-8. Restore it.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FileRefused(f"{path} is not UTF-8. Save it as UTF-8.") from None


def _backups(path: Path) -> Iterator[Path]:
    """The places for backups: no backup replaces one with another text."""
    for number in count(1):
        yield path.with_name(f"{path.name}{BACKUP}-{number}")


def _backed_up(path: Path, text: str) -> Path:
    return next(each for each in _backups(path) if _holds(each, text.encode()))


def _holds(backup: Path, data: bytes) -> bool:
    """Whether a backup with these bytes is there now."""
    try:
        _write(backup, data, 0o600)
    except FileExistsError:
        return _is_file(backup) and backup.read_bytes() == data
    return True


def _was_empty(path: Path) -> bool:
    existing = takewhile(os.path.lexists, _backups(path))
    return any(_is_file(backup) and not backup.stat().st_size for backup in existing)


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


@contextmanager
def _draft(path: Path, data: bytes) -> Iterator[Path]:
    """A new file beside another, with its permissions. A failure in the block removes it."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.draft")
    _write(draft, data, mode)
    try:
        yield draft
    except BaseException:
        draft.unlink()
        raise


def _write(path: Path, data: bytes, mode: int) -> None:
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


def _sync(folder: Path) -> None:
    if sys.platform == "win32":
        return  # Windows has no way to do so
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileRefused(
            f"{path} cannot be used: {error.strerror}. It is unchanged. Correct that, and run the "
            "command again."
        ) from None
