"""The files of an audit log, safe for several processes that write them at once."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder

from . import chain
from .chain import ChainLink, ChainStep, Head, walk
from .key import as_key, new_key, read_key

HEAD_FILE = "head.json"
KEY_FILE = "key"
LOCK_FILE = ".lock"

LOCK_SECONDS = 10.0
"""Time that a line waits for other processes that write, before its call is refused."""

DEFAULT_FILE_BYTES = 10_000_000
"""Size at which a new audit file starts, in bytes."""

_FILE = re.compile(r"audit\.(\d{6,})\.jsonl")


RESERVE = ".reserve"
RESERVE_BYTES = 16 * 1024
"""Disk space (bytes) reserved for the outcomes of calls with a recorded intent."""


def file_name(number: int) -> str:
    """The name of a file, by its number. The first is 1. A file is never renamed."""
    return f"audit.{number:06}.jsonl"


def file_number(name: str) -> int | None:
    """The number of a file, by its name; None for the name of any other file."""
    found = _FILE.fullmatch(name)
    return int(found[1]) if found and name == file_name(int(found[1])) else None


class Ledger:
    """A private folder of numbered files, with a key and a head beside them.

    Lines are on the disk before the head that counts them. So a crash leaves at most the lines of
    one write that the head does not count, the last of them perhaps in part. The next append
    repairs that. Anything else is tampering, and then nothing more is written. Methods raise
    `StoreError`, and block.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = DEFAULT_FILE_BYTES,
        key_file: Path | None = None,
        within: Path | None = None,
    ) -> None:
        self._folder = PrivateFolder(folder, within=within)
        self._max_bytes = max_bytes
        self._key_file = key_file
        self._written = ChainLink()

    @property
    def place(self) -> str:
        """Where a person finds the log."""
        return str(self._folder.path)

    def check(self) -> None:
        """Prove that a line can be written, without writing one."""
        with self._folder.locked(LOCK_FILE, LOCK_SECONDS) as folder:
            folder.check()
            self._opened(folder)

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write lines, all or none. When this returns, they are on the disk.

        An intent needs a reserve of disk space beside it, which its outcome may use up.
        """
        is_intent = any(record["event"] == chain.INTENT for record in records)
        with self._folder.locked(LOCK_FILE, LOCK_SECONDS) as folder:
            if is_intent and not folder.has(RESERVE):
                folder.create(RESERVE, "-" * RESERVE_BYTES)
            try:
                self._append(folder, records)
            except StoreError:
                if is_intent or not folder.remove(RESERVE):
                    raise
                self._append(folder, records)

    def _append(self, folder: PrivateFolder, records: Sequence[Mapping[str, Any]]) -> None:
        log = self._opened(folder)
        if log.head.file == 0 or log.head.size >= self._max_bytes:
            log.start_file()
        log.write(records)
        self._written = log.head.link

    def _opened(self, folder: PrivateFolder) -> "_OpenLog":
        """The log, repaired where a crash left a part of a line."""
        log = _OpenLog(folder, self._key(folder))
        log.repair()
        if log.head.link.seq < self._written.seq:  # an earlier state was put back
            raise _tampered(folder, HEAD_FILE)
        return log

    def _key(self, folder: PrivateFolder) -> bytes:
        """The key. A new log gets its key and its head here."""
        is_new = self._is_new(folder)
        if self._key_file:
            key = read_key(self._key_file)
            if is_new:
                folder.write(HEAD_FILE, Head().document(key))
            return key
        text = folder.read_bytes(KEY_FILE)
        if text is None and is_new:
            text = new_key().encode()
            # The key last: a log that has a key has a head.
            folder.write(HEAD_FILE, Head().document(text))
            folder.write(KEY_FILE, text.decode())
        if text is None:
            raise _tampered(folder, KEY_FILE)
        return as_key(text, folder.path / KEY_FILE)

    def _is_new(self, folder: PrivateFolder) -> bool:
        """Whether there is no log yet: at most a head that a crash left."""
        if self._written.seq:
            return False
        return set(folder.names()) <= ({HEAD_FILE} if self._key_file is None else set())


class _OpenLog:
    """The log while this process holds its lock.

    Attributes:
        head: how far the log reaches, as its head file says.
    """

    def __init__(self, folder: PrivateFolder, key: bytes) -> None:
        self._folder = folder
        self._key = key
        head = Head.from_document(key, folder.read_bytes(HEAD_FILE) or b"")
        if head is None:
            raise _tampered(folder, HEAD_FILE)
        self.head = head

    def repair(self) -> None:
        """Count or seal what a crash left beyond the head."""
        if self.head.file and (beyond := self._beyond()):
            self._repair(beyond)
        following = self.head.file + 1
        data = self._folder.read_bytes(file_name(following))
        if data is not None:
            self._count(following, data)

    def start_file(self) -> None:
        """Start the next file. It appears with its first line or not at all."""
        number = self.head.file + 1
        link, line = self.head.link.extend(self._key, chain.opened(number, self.head.link))
        self._folder.write(file_name(number), line.decode())
        self._write_head(Head(number, len(line), link))

    def write(self, records: Sequence[Mapping[str, Any]], *, fragment: bytes = b"") -> None:
        """Write lines after the last one, or after the fragment that a crash left there."""
        head = self.head
        link, lines = head.link.extend_together(self._key, records)
        data = chain.SEAL + lines if fragment else lines
        name, start = file_name(head.file), head.size + len(fragment)
        self._folder.append(name, data)
        try:
            self._write_head(Head(head.file, start + len(data), link))
        except StoreError:
            # The caller learns that nothing was written, so the next writer must not find it.
            if self._folder.read(HEAD_FILE) == head.document(self._key):
                self._folder.cut(name, start)
            raise

    def _beyond(self) -> bytes:
        """The bytes of the current file that the head does not count."""
        name, last = file_name(self.head.file), chain.ending(self.head.link.mac) + b"\n"
        found = self._folder.read_bytes(name, self.head.size - len(last))
        if found is None or not found.startswith(last):
            raise _tampered(self._folder, name)
        return found[len(last) :]

    def _repair(self, beyond: bytes) -> None:
        steps = walk(self._key, self.head.link, beyond)
        whole = steps[-1].end if steps else 0
        part = beyond[whole:]
        if whole and part and not chain.lines_to_come(steps):
            raise _tampered(self._folder, file_name(self.head.file))
        if whole:
            self._count(self.head.file, beyond[:whole])
        if part:
            self._repair_part(part)

    def _repair_part(self, beyond: bytes) -> None:
        missing = b"" if beyond.endswith(b"\n") else b"\n"
        if chain.looks_torn(beyond) and not self._one_write(beyond + missing):
            self.write([chain.torn(beyond)], fragment=beyond)
            return
        if missing:
            self._folder.append(file_name(self.head.file), missing)
        self._count(self.head.file, beyond + missing)

    def _count(self, file: int, data: bytes) -> None:
        """Let the head count the lines of the one write that was made before it."""
        steps = self._one_write(data)
        if not steps:
            raise _tampered(self._folder, file_name(file))
        start = 0 if file > self.head.file else self.head.size
        self._write_head(Head(file, start + len(data), steps[-1].link))

    def _one_write(self, data: bytes) -> list[ChainStep]:
        """The steps that these bytes are; none where they are not the lines of one write."""
        steps = walk(self._key, self.head.link, data)
        is_all = bool(steps) and steps[-1].end == len(data)
        return steps if is_all and chain.lines_to_come(steps) is not None else []

    def _write_head(self, head: Head) -> None:
        """Replace the head, on the disk before the next write: it may lag by one write only."""
        self._folder.write(HEAD_FILE, head.document(self._key))
        self.head = head


def _tampered(folder: PrivateFolder, name: str) -> StoreError:
    return StoreError(
        f"{folder.path / name} was changed by something else, or the key is a different one: run "
        "'connected-apps-mcp audit verify' for details. Restore the files, or move the folder away "
        "and restart, to start a new log."
    )
