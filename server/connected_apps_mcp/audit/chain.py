"""Lines that prove their order: each has a MAC over itself and over the MAC of the line before."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Self

VERSION = 1
"""Version of the format, the first field of a line."""

LINE_START = f'{{"v":{VERSION},'.encode()

SEAL = b" (torn)\n"
"""The end of a part of a line. The `torn` record that covers it follows."""

NO_MAC = "0" * 64
"""The previous MAC of the first line."""

MORE = "more"
"""The field that says how many lines of the same write follow a line."""

INTENT = "intent"
OPENED = "opened"
TORN = "torn"

_ENDING = re.compile(rb',"mac":"([0-9a-f]{64})"\}')
ENDING_SIZE = len(',"mac":""}') + len(NO_MAC)

AuditRecord = dict[str, Any]


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mac(key: bytes, label: str, previous: str, body: bytes) -> str:
    return hmac.new(key, f"{label}\n{previous}\n".encode() + body, hashlib.sha256).hexdigest()


def _body(record: Mapping[str, Any]) -> bytes:
    # ASCII, so that no text in it can control a terminal.
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def ending(mac: str) -> bytes:
    """The end of a line with this MAC, without its newline."""
    return f',"mac":"{mac}"}}'.encode()


def _split(line: bytes) -> tuple[bytes, str] | None:
    """The authenticated part of a line, and its MAC; None where there is no MAC."""
    found = _ENDING.fullmatch(line, max(0, len(line) - ENDING_SIZE))
    return (line[: found.start()] + b"}", found[1].decode()) if found else None


@dataclass(frozen=True)
class ChainLink:
    """A position in a chain: the sequence number and the MAC of its last line."""

    seq: int = 0
    mac: str = NO_MAC

    def extend(self, key: bytes, record: Mapping[str, Any]) -> tuple[Self, bytes]:
        """Build the next line: the position after it, and the line with its newline."""
        body = _body({"v": VERSION, "seq": self.seq + 1, **record})
        mac = _mac(key, "line", self.mac, body)
        return type(self)(self.seq + 1, mac), body[:-1] + ending(mac) + b"\n"

    def extend_together(
        self, key: bytes, records: Sequence[Mapping[str, Any]]
    ) -> tuple[Self, bytes]:
        """Build the next lines for one write: each but the last says how many follow it."""
        link, lines = self, b""
        for more, record in zip(reversed(range(len(records))), records, strict=True):
            link, line = link.extend(key, {**record, MORE: more} if more else record)
            lines += line
        return link, lines

    def follow(self, key: bytes, line: bytes) -> tuple[Self, AuditRecord] | None:
        """The position after a line, and its record; None if it is not the next line."""
        body, mac = _split(line) or (b"", "")
        if not hmac.compare_digest(mac, _mac(key, "line", self.mac, body)):
            return None
        return type(self)(self.seq + 1, mac), json.loads(body)


@dataclass(frozen=True)
class Head:
    """How far a log reaches. It is stored beside the log, so that a cut at the end is found.

    Attributes:
        file: the number of the current file, 0 before the first.
        size: the size of that file, in bytes.
        link: the position of its last line.
    """

    file: int = 0
    size: int = 0
    link: ChainLink = ChainLink()

    def document(self, key: bytes) -> str:
        """The head as it is stored."""
        fields = {"file": self.file, "size": self.size, "seq": self.link.seq, "last": self.link.mac}
        body = _body({"v": VERSION, **fields})
        return (body[:-1] + ending(_mac(key, "head", NO_MAC, body)) + b"\n").decode()

    @classmethod
    def from_document(cls, key: bytes, document: bytes) -> Self | None:
        """The head from its stored form; None if it was not written with this key."""
        body, mac = _split(document.removesuffix(b"\n")) or (b"", "")
        if not hmac.compare_digest(mac, _mac(key, "head", NO_MAC, body)):
            return None
        fields = json.loads(body)
        return cls(fields["file"], fields["size"], ChainLink(fields["seq"], fields["last"]))


def opened(file: int, previous: ChainLink) -> AuditRecord:
    """The first record of a file. It ties the file to the one before."""
    return {"time": now(), "event": OPENED, "file": file, "previous": previous.mac}


def torn(fragment: bytes) -> AuditRecord:
    """The record that covers what an interrupted write left, and its seal."""
    return {"time": now(), "event": TORN} | _digest(fragment + SEAL[:-1])


def looks_torn(rest: bytes) -> bool:
    """Whether an interrupted write may have left these bytes at the end of a file."""
    return not rest.endswith(b"\n") or rest.endswith(SEAL) or b"\0" in rest


def _digest(fragment: bytes) -> AuditRecord:
    return {"bytes": len(fragment), "sha256": hashlib.sha256(fragment).hexdigest()}


@dataclass(frozen=True)
class ChainStep:
    """One record of a chain, the position after it, and the offset of its end."""

    record: AuditRecord
    link: ChainLink
    end: int


def lines_to_come(steps: Sequence[ChainStep]) -> int | None:
    """How many lines of the same write would follow; None if these are not of one write."""
    more = [step.record.get(MORE, 0) for step in steps]
    is_one_write = all(earlier == later + 1 for earlier, later in pairwise(more))
    return more[-1] if more and is_one_write else None


def walk(key: bytes, link: ChainLink, data: bytes) -> list[ChainStep]:
    """Follow a chain as far as it goes.

    The rest of an interrupted write is skipped where the record after it covers it.
    """
    steps: list[ChainStep] = []
    done = at = 0
    while (end := data.find(b"\n", at)) >= 0:
        fragment = data[done : at - 1] if at > done else None
        followed = link.follow(key, data[at:end])
        at = end + 1
        if followed and _covers(followed[1], fragment):
            link, done = followed[0], at
            steps.append(ChainStep(followed[1], link, done))
    return steps


def _covers(record: AuditRecord, fragment: bytes | None) -> bool:
    is_torn: bool = record["event"] == TORN
    if fragment is None:
        return not is_torn
    return is_torn and record.items() >= _digest(fragment).items()
