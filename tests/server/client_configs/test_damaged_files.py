"""Damaged configuration files are refused, and stay as they are."""

import os
import re
import stat
from pathlib import Path

import pytest
from disks import AS_ROOT
from server.client_configs.damaged import BYTES, FOREIGN, PLACES, SECRET, TEXTS, Make

from connected_apps_mcp.client_configs.documents import Format, Unreadable, with_entry
from connected_apps_mcp.client_configs.files import read_config, replace_config
from connected_apps_tools.storage.owned_files import FileRefused

PATH = ("mcpServers", "ours")


def install(path: Path, kind: Format = "json") -> None:
    """Add an entry to a file."""
    old = read_config(path)
    try:
        new = with_entry(kind, old, PATH, {"command": "/bin/ours"})
    except Unreadable as error:
        raise FileRefused(f"{path}: {error}") from None
    replace_config(path, old, new)


def everything(folder: Path) -> dict[str, object]:
    """What is in a folder, and in the folders in it."""
    return {str(path): _state(path) for path in sorted(folder.rglob("*"))}


def _state(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    content: bytes | Path | None = None
    if stat.S_ISREG(found.st_mode):
        content = path.read_bytes() if os.access(path, os.R_OK) else b""
    elif path.is_symlink():
        content = path.readlink()
    return found.st_ino, found.st_mode, found.st_uid, found.st_mtime_ns, content


def assert_refused(path: Path, folder: Path, kind: Format = "json") -> None:
    """Check that the file is refused in clear words, and that nothing has changed."""
    before = everything(folder)
    with pytest.raises(FileRefused) as refused:
        install(path, kind)
    assert everything(folder) == before
    text = str(refused.value)
    assert re.match(r"/\S+.* .*\. [A-Z][^.]* .*\.$", text), text
    assert SECRET not in text


def test_there_are_more_than_a_hundred_kinds_of_damage() -> None:
    assert len(TEXTS) + len(BYTES) + len(PLACES) + len(FOREIGN) > 100


@pytest.mark.parametrize("kind", TEXTS)
def test_a_damaged_text_is_refused(kind: str, tmp_path: Path) -> None:
    format_, text = TEXTS[kind]
    path = tmp_path / "config"
    path.write_bytes(text.encode())
    assert_refused(path, tmp_path, format_)


@pytest.mark.parametrize("kind", BYTES)
def test_what_is_no_text_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(BYTES[kind])
    assert_refused(path, tmp_path)


@pytest.mark.parametrize("make", PLACES.values(), ids=PLACES)
def test_what_is_no_file_of_this_user_is_refused(make: Make, tmp_path: Path) -> None:
    assert_refused(make(tmp_path), tmp_path)


@AS_ROOT
@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_what_another_user_has_is_refused(make: Make, tmp_path: Path) -> None:
    assert_refused(make(tmp_path), tmp_path)
