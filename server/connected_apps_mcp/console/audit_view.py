"""The audit log for the page: the calls that fit a filter, and whether the chain is whole."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import anyio
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from connected_apps_mcp.audit.chain import INTENT, AuditRecord
from connected_apps_mcp.audit.reading import Snapshot
from connected_apps_mcp.audit.verify import Verification, verify

Log = Callable[[], Snapshot]
"""Reads the audit log as it is now."""

PAGE_CALLS = 100
"""Calls on one page."""

REST = 10
"""A verification waits this many times as long as the last one took, so it takes little."""


class AuditFilter(BaseModel):
    """Which calls to show."""

    model_config = ConfigDict(extra="forbid")

    client_id: str | None = Field(None, max_length=200)
    caller: str | None = Field(None, max_length=200)
    outcome: Literal["ok", "failed", "refused", "open"] | None = None
    before: int | None = Field(None, ge=1)

    def fits(self, call: "RecordedLines") -> bool:
        """Whether to show a call."""
        first = call.first
        return (
            (self.before is None or first["seq"] < self.before)
            and (self.client_id is None or self.client_id == client_id_of(first))
            and (self.caller is None or self.caller.casefold() in _names(first))
            and (self.outcome is None or self.outcome == call.state)
        )


class RecordedLines(NamedTuple):
    """The lines of one call: how it began, and how it ended."""

    first: AuditRecord
    last: AuditRecord | None = None

    @property
    def state(self) -> str:
        """How it ended."""
        if self.first["event"] in {"refusal", "refusals"}:
            return "refused"
        if self.first["event"] not in {INTENT, "outcome"}:
            return "note"
        ended = self.last or self.first
        return "open" if "ok" not in ended else "ok" if ended["ok"] else "failed"


class AuditView:
    """The audit log, as a page shows it."""

    def __init__(self, log: Log, key_file: Path | None = None, first: int = 1) -> None:
        """Show a log. Its oldest file has the number `first`."""
        self.log = log
        self._key_file = key_file
        self._first = first
        self._one = anyio.Lock()
        self._verified: Verification | None = None
        self._again = 0.0

    async def page(self, wanted: AuditFilter) -> dict[str, Any]:
        """The latest calls that fit.

        Raises:
            Unreadable: the log cannot be read.
        """
        lines, more = await to_thread.run_sync(self._lines, wanted)
        return {"lines": lines, "more": more, "chain": _shown(await self._verification())}

    def _lines(self, wanted: AuditFilter) -> tuple[list[AuditRecord], bool]:
        found: list[RecordedLines] = []
        for call in calls_of(self.log()):
            if wanted.fits(call):
                found.append(call)
            if len(found) > PAGE_CALLS:
                break
        lines = [line for call in found[:PAGE_CALLS] for line in call if line]
        return sorted(lines, key=lambda line: int(line["seq"])), len(found) > PAGE_CALLS

    async def _verification(self) -> Verification:
        async with self._one:
            if self._verified is None or time.monotonic() >= self._again:
                started = time.monotonic()
                self._verified = await to_thread.run_sync(self._verify)
                self._again = time.monotonic() + REST * (time.monotonic() - started)
            return self._verified

    def _verify(self) -> Verification:
        return verify(self.log(), self._key_file, first=self._first)


def calls_of(log: Snapshot) -> Iterator[RecordedLines]:
    """The calls in a log, the latest first. Reads no further than the reader does.

    Raises:
        Unreadable: the log cannot be read.
    """
    ends: dict[str, AuditRecord] = {}
    for line in _backwards(log):
        if line["event"] == "outcome":
            ends[line.get("entry", "")] = line
        else:
            yield RecordedLines(line, ends.pop(line.get("entry", ""), None))
    for end in ends.values():  # the intents are in files that were archived
        yield RecordedLines(end)


def _backwards(log: Snapshot) -> Iterator[AuditRecord]:
    for number in reversed(log.numbers):
        for line in reversed((log.data(number) or b"").splitlines()):
            if record := _record(line):
                yield record


def _record(line: bytes) -> AuditRecord | None:
    """A line; None for a part of one, and for what was tampered with beyond reading."""
    try:
        record: AuditRecord = from_json(line)
        texts = [record["event"], *(record.get(name, "") for name in ("entry", "tool"))]
        objects = [record.get(name, {}) for name in ("arguments", "caller", "software")]
        kinds = {int: [record["seq"]], str: texts, dict: objects}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    is_whole = all(isinstance(each, kind) for kind, found in kinds.items() for each in found)
    return record if is_whole else None


def client_id_of(record: AuditRecord) -> str | None:
    """The app that a line is about."""
    found = record.get("arguments", {}).get("client_id")
    return found if isinstance(found, str) else None


def software_of(record: AuditRecord) -> str | None:
    """Through which software the call came."""
    found = record.get("software", {}).get("name")
    return found if isinstance(found, str) else None


def _names(record: AuditRecord) -> str:
    """Who called, and through which software."""
    named = {**record.get("caller", {}), **record.get("software", {})}
    return "\n".join(map(str, named.values())).casefold()


def _shown(verified: Verification) -> dict[str, Any]:
    return {
        "whole": not verified.problems,
        "lines": verified.lines,
        "problems": verified.problems,
    }
