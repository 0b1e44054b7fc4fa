"""The files of an audit log, safe for several processes that write it at once."""

import re
from collections.abc import Mapping
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
"""How long the other processes that write may take, together, before a call is refused."""

DEFAULT_FILE_BYTES = 10_000_000
"""Bytes of a file from which on the next one is begun."""

_FILE = re.compile(r"audit\.(\d{6,})\.jsonl")


RESERVE = ".reserve"
RESERVE_BYTES = 16 * 1024
"""Disk space that is kept free for the outcomes of calls whose intents are on record."""


def file_name(number: int) -> str:
    """The name of a file, from the first, 1, on. It keeps its name for good."""
    return f"audit.{number:06}.jsonl"


def file_number(name: str) -> int | None:
    """The number of a file; None where the name is another one's."""
    found = _FILE.fullmatch(name)
    return int(found[1]) if found and name == file_name(int(found[1])) else None


class Ledger:
    """A private folder of numbered files, with a key and a head beside them.

    A line goes to the disk before the head that knows of it. So whatever a crash leaves is one line
    more than the head knows, or a part of one, which is dealt with before the next line is written.
    What no crash can have left is tampering, and nothing is written any more. Methods raise
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
        with self._folder.locked(LOCK_FILE, LOCK_SECONDS):
            self._folder.check()
            self._caught_up(self._key())

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a line. When this returns, it is on the disk.

        An intent is written only beside a reserve of disk space, which its outcome may use up.
        """
        with self._folder.locked(LOCK_FILE, LOCK_SECONDS):
            if record["event"] == "intent" and not self._folder.has(RESERVE):
                self._folder.create(RESERVE, "-" * RESERVE_BYTES)
            try:
                self._append(record)
            except StoreError:
                if record["event"] == "intent" or not self._folder.remove(RESERVE):
                    raise
                self._append(record)

    def _append(self, record: Mapping[str, Any]) -> None:
        key = self._key()
        head = self._caught_up(key)
        if head.file == 0 or head.size >= self._max_bytes:
            head = self._begin_file(key, head)
        self._written = self._write(key, head, record).link

    def _key(self) -> bytes:
        """The key, made with the head when the log begins."""
        begins = self._begins()
        if self._key_file:
            key = read_key(self._key_file)
            if begins:
                self._folder.write(HEAD_FILE, Head().document(key))
            return key
        text = self._folder.read(KEY_FILE)
        if text is None and begins:
            text = new_key()
            # The key last: a log that has a key has a head.
            self._folder.write(HEAD_FILE, Head().document(text.encode()))
            self._folder.write(KEY_FILE, text)
        if text is None:
            raise self._tampered(KEY_FILE)
        return as_key(text.encode(), self._folder.path / KEY_FILE)

    def _begins(self) -> bool:
        """Whether there is no log yet: nothing but a head that a crash may have left."""
        if self._written.seq:
            return False
        return set(self._folder.names()) <= ({HEAD_FILE} if self._key_file is None else set())

    def _caught_up(self, key: bytes) -> Head:
        """Where the log stands, after what a crash may have left is dealt with."""
        head = Head.from_document(key, (self._folder.read(HEAD_FILE) or "").encode())
        if head is None:
            raise self._tampered(HEAD_FILE)
        if head.file:
            head = self._mended(key, head, self._beyond(head))
        following = self._folder.read_from(file_name(head.file + 1), 0)
        if following is not None:
            head = self._adopted(key, head, head.file + 1, following)
        if head.link.seq < self._written.seq:  # an earlier state of it was put there
            raise self._tampered(HEAD_FILE)
        return head

    def _beyond(self, head: Head) -> bytes:
        """What the current file holds beyond what the head knows."""
        name, last = file_name(head.file), chain.ending(head.link.mac) + b"\n"
        found = self._folder.read_from(name, head.size - len(last))
        if found is None or not found.startswith(last):
            raise self._tampered(name)
        return found[len(last) :]

    def _mended(self, key: bytes, head: Head, beyond: bytes) -> Head:
        if not beyond:
            return head
        missing = b"" if beyond.endswith(b"\n") else b"\n"
        if chain.looks_torn(beyond) and not _one_step(key, head, beyond + missing):
            return self._write(key, head, chain.torn(beyond), fragment=beyond)
        if missing:
            self._folder.append(file_name(head.file), missing)
        return self._adopted(key, head, head.file, beyond + missing)

    def _adopted(self, key: bytes, head: Head, file: int, data: bytes) -> Head:
        """Let the head know of the one line that was written before it."""
        step = _one_step(key, head, data)
        if step is None:
            raise self._tampered(file_name(file))
        begins = 0 if file > head.file else head.size
        return self._keep(key, Head(file, begins + len(data), step.link))

    def _begin_file(self, key: bytes, head: Head) -> Head:
        """Go over to the next file, which is there with its first line or not at all."""
        number = head.file + 1
        link, line = head.link.extend(key, chain.opened(number, head.link))
        self._folder.write(file_name(number), line.decode())
        return self._keep(key, Head(number, len(line), link))

    def _write(
        self, key: bytes, head: Head, record: Mapping[str, Any], *, fragment: bytes = b""
    ) -> Head:
        """Write a line after what the head knows, or after a fragment that a crash left there."""
        link, line = head.link.extend(key, record)
        data = chain.SEAL + line if fragment else line
        name, begins = file_name(head.file), head.size + len(fragment)
        self._folder.append(name, data)
        try:
            return self._keep(key, Head(head.file, begins + len(data), link))
        except StoreError:
            # The caller hears that the line was not written. Were it left, the next writer would
            # let the head know of it.
            if self._folder.read(HEAD_FILE) == head.document(key):
                self._folder.cut(name, begins)
            raise

    def _keep(self, key: bytes, head: Head) -> Head:
        self._folder.write(HEAD_FILE, head.document(key))
        return head

    def _tampered(self, name: str) -> StoreError:
        return StoreError(
            f"{self._folder.path / name} is not as it was left, or the key is another one: "
            "'connected-apps-mcp audit verify' tells more. Put back what was there, or move the "
            "folder away and restart, to begin a new log."
        )


def _one_step(key: bytes, head: Head, data: bytes) -> ChainStep | None:
    """The step that this is, if it is one and nothing else."""
    steps = walk(key, head.link, data)
    return steps[0] if len(steps) == 1 and steps[0].end == len(data) else None
