"""Finds changes that were made to an audit log after it was written."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from connected_apps_tools.storage.errors import StoreError

from . import chain
from .chain import ChainLink, ChainStep, Head, lines_to_come, walk
from .key import read_key
from .reading import Snapshot, Unreadable


@dataclass
class Verification:
    """What `verify` found.

    Attributes:
        files: the number of files.
        lines: the number of lines.
        torn: the number of parts of lines. An interrupted write leaves one. So does somebody who
            cuts off later lines and puts back the head of that time.
        pending: the tools of the calls without an outcome, by the id of the entry.
        last: the position of the last line.
        problems: signs of tampering, which no crash leaves, in sentences.
    """

    files: int = 0
    lines: int = 0
    torn: int = 0
    pending: dict[str, str] = field(default_factory=dict)
    last: ChainLink = field(default_factory=ChainLink)
    problems: list[str] = field(default_factory=list)

    def count(self, step: ChainStep) -> None:
        """Count a record."""
        self.lines += 1
        self.last = step.link
        event, entry = step.record["event"], step.record.get("entry", "")
        if event == chain.INTENT:
            self.pending[entry] = step.record["tool"]
        elif event == "outcome":
            self.pending.pop(entry, None)
        self.torn += event == chain.TORN


def verify(
    log: Snapshot,
    key_file: Path | None = None,
    *,
    first: int = 1,
    remembered: ChainLink | None = None,
) -> Verification:
    """Check every line of a log.

    Args:
        log: the log.
        key_file: the file with the key, unless the key is with the log.
        first: the number of the first file, where earlier ones were archived.
        remembered: the last line of an earlier report, which must still be there.

    Raises:
        Unreadable: the log or its key cannot be read.
    """
    return _Verifier(log, _key(key_file or log.own_key), remembered).run(first)


def _key(path: Path | None) -> bytes:
    if path is None:
        raise Unreadable("The key of this log is not with it: give it with --audit-key-file.")
    try:
        return read_key(path)
    except StoreError as error:
        raise Unreadable(str(error)) from None


class _Verifier:
    def __init__(self, log: Snapshot, key: bytes, remembered: ChainLink | None) -> None:
        self._log = log
        self._key = key
        self._remembered = remembered
        self._head = Head.from_document(key, log.head)
        self._report = Verification()
        self._ends: dict[tuple[int, int], ChainLink] = {(0, 0): ChainLink()}
        self._beyond: list[ChainStep] = []
        """The lines that the head does not count."""

    def run(self, first: int) -> Verification:
        if self._head is None:
            self._add_problem(
                f"{self._log.head_name} is missing or was changed, or the key is a different one."
            )
        counted = range(first, self._head.file + 1 if self._head else first)
        found = [number for number in self._log.numbers if number >= first or number < 1]
        link: ChainLink | None = ChainLink() if first == 1 else None
        for number in sorted({*counted, *found}):
            link = self._check_file(number, link)
        if self._head:
            self._check_head(self._head)
        if self._remembered:
            self._add_problem(f"The remembered line {self._remembered.seq} is not there.")
        return self._report

    def _check_file(self, number: int, before: ChainLink | None) -> ChainLink | None:
        """Check one file. Return the position after it, or None where it is unknown."""
        name, data = self._log.name(number), self._log.data(number)
        if data is None:
            self._add_problem(f"{name} is missing.")
            return None
        self._report.files += 1
        start = _claimed_start(data)
        if before and start != before:
            self._add_problem(f"{name} does not follow the file before it.")
        steps = walk(self._key, start, data)
        for step in steps:
            self._add_step(number, step)
        done = steps[-1].end if steps else 0
        if done == len(data):
            return steps[-1].link if steps else start
        if self._is_unfinished(number, done, data[done:]):
            self._report.torn += 1
            return steps[-1].link
        self._add_problem(_break(name, data, done, steps[-1].link if steps else start))
        return None

    def _add_step(self, number: int, step: ChainStep) -> None:
        self._report.count(step)
        self._ends[number, step.end] = step.link
        if self._head and (number, step.end) > (self._head.file, self._head.size):
            self._beyond.append(step)
        if step.link == self._remembered:
            self._remembered = None

    def _is_unfinished(self, number: int, done: int, rest: bytes) -> bool:
        """Whether a crash may have left these bytes, and no process wrote since then."""
        if self._log.is_atomic or self._head is None or number != self._head.file:
            return False
        is_counted = done == self._head.size and not self._beyond
        return (is_counted or bool(lines_to_come(self._beyond))) and chain.looks_torn(rest)

    def _check_head(self, head: Head) -> None:
        if self._ends.get((head.file, head.size)) != head.link:
            self._add_problem(
                f"Lines are missing at the end: the log reached line {head.link.seq}."
            )
        elif self._beyond and (self._log.is_atomic or lines_to_come(self._beyond) is None):
            self._add_problem(f"{self._log.head_name} is older than the last lines.")

    def _add_problem(self, problem: str) -> None:
        self._report.problems.append(problem)


def _claimed_start(data: bytes) -> ChainLink:
    """The position before the first line, as that line claims. Its MAC proves or disproves it."""
    claimed = _claimed(data.partition(b"\n")[0])
    seq, previous = claimed.get("seq"), claimed.get("previous")
    return (
        ChainLink(seq - 1, previous)
        if isinstance(seq, int) and isinstance(previous, str)
        else ChainLink()
    )


def _break(name: str, data: bytes, at: int, link: ChainLink) -> str:
    number = data.count(b"\n", 0, at) + 1
    found = _claimed(data[at:].partition(b"\n")[0]).get("seq")
    what = f"sequence number {found}" if isinstance(found, int) else "something else"
    return (
        f"{name}, line {number}: expected sequence number {link.seq + 1}, unchanged; found {what}."
    )


def _claimed(line: bytes) -> chain.AuditRecord:
    """The record that a line claims to be. Anybody may have written it."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def verify_stream(data: bytes, key_file: Path) -> Verification:
    """Check the audit log lines in the standard error of processes that ran one after the other.

    Text before a line, such as a time that the platform adds, is skipped, and so is other output.
    Each process starts a chain of its own.

    Raises:
        Unreadable: the key cannot be read, or there is no line of an audit log.
    """
    key, report, link = _key(key_file), Verification(), ChainLink()
    started: set[ChainLink] = set()
    for text in data.splitlines():
        line = text[text.find(chain.LINE_START) :] if chain.LINE_START in text else b""
        if not line:
            continue
        followed = link.follow(key, line) or ChainLink().follow(key, line)
        if followed is None:
            report.problems.append(
                f"After {report.lines} lines: expected sequence number {link.seq + 1}, unchanged."
            )
            break
        link, record = followed
        if link in started:
            report.problems.append(f"After {report.lines} lines: earlier lines are repeated.")
            break
        if record["event"] == chain.OPENED:
            started.add(link)
            report.files += 1
        report.count(ChainStep(record, link, 0))
    if not report.lines and not report.problems:
        raise Unreadable("The input has no line of an audit log.")
    return report
