"""What a line costs in system calls, and that a power cut at any of them is no tampering.

The disk here is the worst that is allowed: until a file is synced it may hold any part of what was
written, and until the folder is synced a name may still stand for the earlier file.
"""

import itertools
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from server.audit.logs import bytes_of, put_back, verify

from connected_apps_mcp.audit import Ledger
from connected_apps_tools.storage.errors import StoreError

INTENT = {"event": "intent", "entry": "1", "tool": "delete_app"}
OUTCOME = {"event": "outcome", "entry": "1", "tool": "delete_app"}
LINES = 6
REPLACE = os.replace

Synced = Literal["line", "draft", "folder"]


@pytest.mark.parametrize("record", [INTENT, OUTCOME], ids=["intent", "outcome"])
def test_a_line_opens_the_folder_once_and_syncs_three_times(
    folder: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, str]
) -> None:
    ledger = Ledger(folder)
    ledger.append(INTENT)
    calls: list[str] = []
    for name in ("open", "fsync", "replace", "mkdir"):
        monkeypatch.setattr(os, name, _recorded(name, getattr(os, name), calls, folder))
    ledger.append(record)
    assert Counter(calls) == {
        "open folder": 1,
        "open file": 7,
        "fsync file": 2,
        "replace file": 1,
        "fsync folder": 1,
    }
    assert [call for call in calls if not call.startswith("open")] == [
        "fsync file",  # the line
        "fsync file",  # the new head
        "replace file",
        "fsync folder",
    ]


def _recorded(name: str, call: Any, calls: list[str], folder: Path) -> Any:
    """A function of `os` that also adds its name to `calls`."""

    def record(target: Any, *arguments: Any, **options: Any) -> Any:
        is_folder = target == folder or (
            isinstance(target, int) and stat.S_ISDIR(os.fstat(target).st_mode)
        )
        calls.append(f"{name} {'folder' if is_folder else 'file'}")
        return call(target, *arguments, **options)

    return record


class Disk:
    """The files of a log as a disk may hold them after a power cut, and what is wrong with them."""

    def __init__(self, folder: Path, copy: Path, ignored: Synced | None) -> None:
        self.folder, self.copy, self.ignored = folder, copy, ignored
        self.synced = bytes_of(folder)
        self.earlier: dict[str, set[bytes | None]] = {}
        """What a name may stand for besides its present file, until the folder is synced."""
        self.acknowledged = verify(folder).lines
        self.problems: list[str] = []
        self.states = 0
        self._cutting = False

    def fsync(self, descriptor: int) -> None:
        if self._cutting:
            return
        self.cut()
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            if self.ignored != "folder":
                self.earlier.clear()
            return
        path = next(each for each in self.folder.iterdir() if each.stat().st_ino == found.st_ino)
        if self.ignored != ("draft" if path.name.endswith(".draft") else "line"):
            self.synced[path.name] = path.read_bytes()

    def replace(self, source: str, target: str, **folders: int) -> None:
        if not self._cutting:
            self.cut()
            self.earlier[target] = set(self.possible(target))
            self.synced[target] = self.synced.pop(source, b"")
        REPLACE(source, target, **folders)

    def possible(self, name: str) -> Iterator[bytes | None]:
        """What a file may hold after a power cut now. None: there is no file of this name."""
        yield from self.earlier.get(name, ())
        path, synced = self.folder / name, self.synced.get(name, b"")
        if not path.exists():
            yield None
            return
        now = path.read_bytes()
        added = len(now) - len(synced)
        yield from (synced, now, synced + bytes(added))
        yield from (now[: len(synced) + part] for part in (1, added // 2, added - 1) if added > 1)

    def cut(self) -> None:
        """Try every state that a power cut may leave now."""
        self._cutting = True
        changing = [name for name in bytes_of(self.folder) if name.endswith((".jsonl", ".json"))]
        for contents in itertools.product(*(set(self.possible(name)) for name in changing)):
            self.states += 1
            state = bytes_of(self.folder) | dict(zip(changing, contents, strict=True))
            put_back(self.copy, {name: data for name, data in state.items() if data is not None})
            self.problems += self._look()
        self._cutting = False

    def _look(self) -> list[str]:
        """What verify and the next process find."""
        found = verify(self.copy)
        if found.lines < self.acknowledged:
            return ["an acknowledged line is lost"]
        try:
            Ledger(self.copy).append(OUTCOME)
        except StoreError as error:
            return [*found.problems, str(error)]
        return found.problems + verify(self.copy).problems


@pytest.fixture
def disk_of(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write lines to a disk that ignores one kind of sync, with a power cut before each call."""

    def write(ignored: Synced | None, *, at_once: int = 1) -> Disk:
        ledger = Ledger(folder, max_bytes=700)
        ledger.append(INTENT)
        copy = tmp_path / "copy"
        copy.mkdir(mode=0o700)
        disk = Disk(folder, copy, ignored)
        monkeypatch.setattr(os, "fsync", disk.fsync)
        monkeypatch.setattr(os, "replace", disk.replace)
        for number in range(LINES):
            ledger.append(*[OUTCOME if number % 2 else INTENT] * at_once)
            disk.acknowledged = verify(folder).lines
            disk.cut()
        assert verify(folder).files > 1
        return disk

    return write


def test_a_power_cut_at_any_call_loses_no_line_and_is_no_tampering(disk_of: Any) -> None:
    disk = disk_of(None)
    assert disk.problems == []
    assert disk.states > 50


def test_a_power_cut_during_lines_that_are_written_together_is_no_tampering(disk_of: Any) -> None:
    disk = disk_of(None, at_once=3)
    assert disk.problems == []
    assert disk.states > 50


@pytest.mark.parametrize("ignored", ["line", "draft", "folder"])
def test_without_any_one_of_the_three_syncs_a_power_cut_looks_like_tampering(
    disk_of: Any, ignored: Synced
) -> None:
    assert disk_of(ignored).problems != []
