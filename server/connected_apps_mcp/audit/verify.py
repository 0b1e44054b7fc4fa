"""Finds what was done to an audit log after it was written."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from connected_apps_tools.storage.errors import StoreError

from . import chain
from .chain import ChainLink, ChainStep, Head, walk
from .key import read_key
from .ledger import HEAD_FILE, KEY_FILE, LOCK_FILE, LOCK_SECONDS, file_name, file_number


class Unreadable(Exception):
    """There is no log, or it cannot be read. The text says why."""


@dataclass
class Verification:
    """What was found.

    Attributes:
        torn: parts of lines, as interrupted writes leave them, and as anybody can put them where
            later lines were, together with the head of that time.
        pending: tools by the id of their entry, of the calls without an outcome.
        last: where the chain stands.
        problems: what no crash can have left, in sentences.
    """

    files: int = 0
    lines: int = 0
    torn: int = 0
    pending: dict[str, str] = field(default_factory=dict)
    last: ChainLink = field(default_factory=ChainLink)
    problems: list[str] = field(default_factory=list)

    def count(self, step: ChainStep) -> None:
        """Take a record in."""
        self.lines += 1
        self.last = step.link
        event, entry = step.record["event"], step.record.get("entry", "")
        if event == "intent":
            self.pending[entry] = step.record["tool"]
        elif event == "outcome":
            self.pending.pop(entry, None)
        self.torn += event == chain.TORN


class Snapshot:
    """The files of a log as they were at one moment, between two lines."""

    def __init__(self, folder: Path) -> None:
        """Look at a log while nobody writes it.

        Raises:
            Unreadable: there is no log, or it cannot be read.
        """
        self._folder = folder
        if not folder.exists():
            raise Unreadable(f"Nothing is recorded yet: there is no folder {folder}.")
        with _explained(folder), _locked(folder / LOCK_FILE):
            found = {n: path for path in folder.iterdir() if (n := file_number(path.name))}
            self._sizes = {n: found[n].stat().st_size for n in sorted(found)}
            head = folder / HEAD_FILE
            self.head = head.read_bytes() if head.exists() else b""
        if not self._sizes and not self.head:
            raise Unreadable(f"Nothing is recorded yet in {folder}: there is no audit log.")

    @property
    def numbers(self) -> list[int]:
        """The numbers of the files, in order."""
        return list(self._sizes)

    def data(self, number: int) -> bytes | None:
        """What a file held, or None where there is none.

        Raises:
            Unreadable: it cannot be read.
        """
        if number not in self._sizes:
            return None
        with _explained(self._folder):
            return (self._folder / file_name(number)).read_bytes()[: self._sizes[number]]


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unreadable(f"{folder} cannot be read: {error.strerror}.") from None


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Keep writers out. Where there is no lock, as in a copy, there are no writers."""
    import fcntl

    if not lock.exists():
        yield
        return
    with lock.open("rb") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unreadable(f"{lock} is held by another process.") from None
                time.sleep(0.01)
        yield


def verify(
    folder: Path,
    key_file: Path | None = None,
    *,
    first: int = 1,
    remembered: ChainLink | None = None,
) -> Verification:
    """Look at every line of a log.

    Args:
        folder: where it is.
        key_file: its key, if that is not beside it.
        first: the number of the first file, where earlier ones were archived.
        remembered: what an earlier report had as its last line, which must still be there.

    Raises:
        Unreadable: there is no log, or it or its key cannot be read.
    """
    snapshot = Snapshot(folder)
    return _Verification(snapshot, _key(key_file or folder / KEY_FILE), remembered).run(first)


def _key(path: Path) -> bytes:
    try:
        return read_key(path)
    except StoreError as error:
        raise Unreadable(str(error)) from None


class _Verification:
    def __init__(self, snapshot: Snapshot, key: bytes, remembered: ChainLink | None) -> None:
        self._snapshot = snapshot
        self._key = key
        self._remembered = remembered
        self._head = Head.from_document(key, snapshot.head)
        self._report = Verification()
        self._ends: dict[tuple[int, int], ChainLink] = {(0, 0): ChainLink()}

    def run(self, first: int) -> Verification:
        if self._head is None:
            self._tell(f"{HEAD_FILE} is missing or was changed, or the key is another one.")
        last = max([*self._snapshot.numbers, self._head.file if self._head else 0])
        link: ChainLink | None = ChainLink() if first == 1 else None
        for number in range(first, last + 1):
            link = self._check_file(number, link)
        if self._head:
            self._check_head(self._head)
        if self._remembered:
            self._tell(f"The remembered line {self._remembered.seq} is not there.")
        return self._report

    def _check_file(self, number: int, before: ChainLink | None) -> ChainLink | None:
        """Check one file; return where the chain stands after it, None where nobody knows."""
        name, data = file_name(number), self._snapshot.data(number)
        if data is None:
            self._tell(f"{name} is missing.")
            return None
        self._report.files += 1
        begins = _claimed_start(data)
        if before and begins != before:
            self._tell(f"{name} does not follow what comes before it.")
        steps = walk(self._key, begins, data)
        for step in steps:
            self._take(number, step)
        done = steps[-1].end if steps else 0
        if done == len(data):
            return steps[-1].link if steps else begins
        if self._is_unfinished(number, done, data[done:]):
            self._report.torn += 1
            return steps[-1].link
        self._tell(_break(name, data, done, steps[-1].link if steps else begins))
        return None

    def _take(self, number: int, step: ChainStep) -> None:
        self._report.count(step)
        self._ends[number, step.end] = step.link
        if step.link == self._remembered:
            self._remembered = None

    def _is_unfinished(self, number: int, done: int, rest: bytes) -> bool:
        """Whether a crash can just have left this, and no writer has come upon it yet."""
        at_end = self._head and (self._head.file, self._head.size) == (number, done)
        return bool(at_end) and chain.looks_torn(rest)

    def _check_head(self, head: Head) -> None:
        beyond = [end for end in self._ends if end > (head.file, head.size)]
        if self._ends.get((head.file, head.size)) != head.link:
            self._tell(f"Lines are missing at the end: line {head.link.seq} was written.")
        elif len(beyond) > 1:
            self._tell(f"{HEAD_FILE} is older than the last lines.")

    def _tell(self, problem: str) -> None:
        self._report.problems.append(problem)


def _claimed_start(data: bytes) -> ChainLink:
    """Where the first line says that the chain stood. Its MAC will tell whether that is so."""
    said = _said(data.partition(b"\n")[0])
    seq, previous = said.get("seq"), said.get("previous")
    return (
        ChainLink(seq - 1, previous)
        if isinstance(seq, int) and isinstance(previous, str)
        else ChainLink()
    )


def _break(name: str, data: bytes, at: int, link: ChainLink) -> str:
    number = data.count(b"\n", 0, at) + 1
    found = _said(data[at:].partition(b"\n")[0]).get("seq")
    what = f"sequence number {found}" if isinstance(found, int) else "something else"
    return (
        f"{name}, line {number}: sequence number {link.seq + 1} should follow, unchanged; "
        f"{what} is there."
    )


def _said(line: bytes) -> chain.AuditRecord:
    """What a line seems to say, whoever wrote it."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def verify_stream(data: bytes, key_file: Path) -> Verification:
    """Look at the lines of one process among what it wrote to standard error.

    What comes before a line, such as a time that a platform adds, and what is none of ours, is
    passed over. A process that started anew began a new chain, which no other has begun.

    Raises:
        Unreadable: the key cannot be read, or none of it is an audit log.
    """
    key, report, link = _key(key_file), Verification(), ChainLink()
    begun: set[ChainLink] = set()
    for text in data.splitlines():
        line = text[text.find(chain.LINE_START) :] if chain.LINE_START in text else b""
        if not line:
            continue
        followed = link.follow(key, line) or ChainLink().follow(key, line)
        if followed is None:
            report.problems.append(
                f"After {report.lines} lines: sequence number {link.seq + 1} should follow, "
                "unchanged."
            )
            break
        link, record = followed
        if link in begun:
            report.problems.append(f"After {report.lines} lines: earlier lines are repeated.")
            break
        if record["event"] == chain.OPENED:
            begun.add(link)
            report.files += 1
        report.count(ChainStep(record, link, 0))
    if not report.lines and not report.problems:
        raise Unreadable("None of this is an audit log.")
    return report


def last_lines(folder: Path, count: int) -> list[bytes]:
    """The last lines of a log as they are, unverified, the latest last.

    Raises:
        Unreadable: there is no log, or it cannot be read.
    """
    snapshot, lines = Snapshot(folder), list[bytes]()
    for number in reversed(snapshot.numbers):
        if len(lines) >= count:
            break
        lines = (snapshot.data(number) or b"").splitlines() + lines
    return lines[-count:]
