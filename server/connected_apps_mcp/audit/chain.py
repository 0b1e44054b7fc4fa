"""Lines that prove their order: each has a MAC over itself and over the MAC of the line before."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

VERSION = 1
"""Of the format. It is the first thing in a line."""

LINE_START = f'{{"v":{VERSION},'.encode()

SEAL = b" (torn)\n"
"""What ends a part of a line, before the record that covers it."""

NO_MAC = "0" * 64
"""What stands for the MAC of the line before the first one."""

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
    # ASCII, so that nothing in it can act on a terminal.
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def ending(mac: str) -> bytes:
    """How a line ends."""
    return f',"mac":"{mac}"}}'.encode()


def _split(line: bytes) -> tuple[bytes, str] | None:
    """What the MAC is over, and the MAC; None where there is none."""
    found = _ENDING.fullmatch(line, max(0, len(line) - ENDING_SIZE))
    return (line[: found.start()] + b"}", found[1].decode()) if found else None


@dataclass(frozen=True)
class ChainLink:
    """Where a chain stands: the sequence number and the MAC of its last line."""

    seq: int = 0
    mac: str = NO_MAC

    def extend(self, key: bytes, record: Mapping[str, Any]) -> tuple[Self, bytes]:
        """The next line, with its newline, and where the chain stands after it."""
        body = _body({"v": VERSION, "seq": self.seq + 1, **record})
        mac = _mac(key, "line", self.mac, body)
        return type(self)(self.seq + 1, mac), body[:-1] + ending(mac) + b"\n"

    def follow(self, key: bytes, line: bytes) -> tuple[Self, AuditRecord] | None:
        """Where the chain stands after a line, and what it says; None if it is not the next one."""
        body, mac = _split(line) or (b"", "")
        if not hmac.compare_digest(mac, _mac(key, "line", self.mac, body)):
            return None
        return type(self)(self.seq + 1, mac), json.loads(body)


@dataclass(frozen=True)
class Head:
    """How far a log reaches: kept beside it, so that lines missing at its end are missed.

    Attributes:
        file: the number of the file that is written, 0 before the first.
        size: the bytes of this file.
    """

    file: int = 0
    size: int = 0
    link: ChainLink = ChainLink()

    def document(self, key: bytes) -> str:
        """It, as it is kept."""
        told = {"file": self.file, "size": self.size, "seq": self.link.seq, "last": self.link.mac}
        body = _body({"v": VERSION, **told})
        return (body[:-1] + ending(_mac(key, "head", NO_MAC, body)) + b"\n").decode()

    @classmethod
    def from_document(cls, key: bytes, document: bytes) -> Self | None:
        """It, from what was kept; None if that is not what was written with this key."""
        body, mac = _split(document.removesuffix(b"\n")) or (b"", "")
        if not hmac.compare_digest(mac, _mac(key, "head", NO_MAC, body)):
            return None
        told = json.loads(body)
        return cls(told["file"], told["size"], ChainLink(told["seq"], told["last"]))


def opened(file: int, previous: ChainLink) -> AuditRecord:
    """The first record of a file, which ties it to the one before."""
    return {"time": now(), "event": OPENED, "file": file, "previous": previous.mac}


def torn(fragment: bytes) -> AuditRecord:
    """The record that follows what an interrupted write left, and covers it with its seal."""
    return {"time": now(), "event": TORN} | _print_of(fragment + SEAL[:-1])


def looks_torn(rest: bytes) -> bool:
    """Whether an interrupted write can have left this at the end of a file."""
    return not rest.endswith(b"\n") or rest.endswith(SEAL) or b"\0" in rest


def _print_of(fragment: bytes) -> AuditRecord:
    return {"bytes": len(fragment), "sha256": hashlib.sha256(fragment).hexdigest()}


@dataclass(frozen=True)
class ChainStep:
    """One record of a chain, where the chain stands after it, and the offset of its end."""

    record: AuditRecord
    link: ChainLink
    end: int


def walk(key: bytes, link: ChainLink, data: bytes) -> list[ChainStep]:
    """Follow a chain as far as it goes.

    What an interrupted write left is passed over where the record after it covers it.
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
    return is_torn and record.items() >= _print_of(fragment).items()
