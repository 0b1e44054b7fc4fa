"""Reads and replaces the configuration file of a client, which may hold others' credentials.

A file is replaced whole, and only if it is still what was read. Between the last look and the
replacement is a moment in which a client could still write; the backup has what was there before.
"""

import codecs
import os
import stat
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

from connected_apps_tools.storage.owned_files import (
    FileRefused,
    draft_of,
    explained,
    read_target,
    refuse_read_only,
    sync_folder,
    target_of,
    write_new,
)

BACKUP = ".before-connected-apps"
"""Ending of a backup, before its number."""


def read_config(path: Path) -> str:
    """The text of a configuration file; "" where there is none.

    Raises:
        FileRefused: it is not a file that this user can safely edit.
    """
    with explained(path):
        return _read(target_of(path)) or ""


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
    with explained(path):
        target, earlier = _looked_at(path, old)
        refuse_read_only(target)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup = None if earlier is None else _backed_up(target, earlier)
        if new or _was_empty(target):
            with draft_of(target, new.encode()) as draft:
                _looked_at(path, old)
                draft.replace(target)
        else:
            _looked_at(path, old)
            target.unlink()
        sync_folder(target.parent)
        return backup


def _looked_at(path: Path, old: str) -> tuple[Path, str | None]:
    target = target_of(path)
    found = _read(target)
    if (found or "") != old:
        raise FileRefused(f"{path} has just changed, so it was left alone. Try again.")
    return target, found


def _read(target: Path) -> str | None:
    """The text of a file that is not a link; None where there is none."""
    data = read_target(target)
    return None if data is None else _text(data, target)


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
        write_new(backup, data, 0o600)
    except FileExistsError:
        return _is_file(backup) and backup.read_bytes() == data
    return True


def _was_empty(path: Path) -> bool:
    existing = takewhile(os.path.lexists, _backups(path))
    return any(_is_file(backup) and not backup.stat().st_size for backup in existing)


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
