"""What the server calls: the intent before a call is made, and its outcome after."""

import itertools
import logging
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from connected_apps_tools import observing
from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread

from . import records
from .chain import INTENT, AuditRecord
from .records import Outcome, RecordedCall
from .refusals import Refusals

logger = logging.getLogger(__name__)


class AuditFailed(ConnectedAppsError):
    """A call was refused because it could not be recorded."""

    hint = "Nothing was sent. The operator must repair the audit log; another call will not help."


class Lines(Protocol):
    """A place that lines are written to. Methods raise `StoreError`, and block."""

    @property
    def place(self) -> str:
        """Where a person finds the lines."""
        ...

    def check(self) -> None:
        """Prove that a line can be written, without writing one."""
        ...

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write lines. When this returns, they are written."""
        ...


@dataclass(frozen=True)
class OpenEntry:
    """A call with a recorded intent and no outcome yet."""

    tool: str
    id: str
    started: float = field(default_factory=time.monotonic)


class AuditLog:
    """Records every call that changes something or shows a secret, and every refusal.

    The lines of calls at once are written together. An outcome or a refusal that cannot be written
    stays in memory, and is written before the next line. So no new call is made before it is
    recorded.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._unwritten: list[AuditRecord] = []
        self._waiting = _Batch()
        self._one_batch = anyio.Lock(fast_acquire=True)
        self._lock = threading.Lock()
        self._refusals = Refusals()
        series = secrets.token_hex(8)
        self._entry_ids = (f"{series}-{number}" for number in itertools.count(1))

    @property
    def place(self) -> str:
        """Where a person finds the log."""
        return self._lines.place

    async def check(self) -> None:
        """Prove that the log can be written.

        Raises:
            AuditFailed: it cannot be written.
        """
        try:
            with anyio.CancelScope(shield=True):
                await in_thread(self._lines.check)
        except StoreError as error:
            raise _failed(error) from None

    async def intend(self, call: RecordedCall) -> OpenEntry:
        """Record that a call is about to be made. When this returns, the line is on the disk.

        Raises:
            AuditFailed: the line could not be written, so the call must not be made.
        """
        entry = OpenEntry(call.tool, next(self._entry_ids))
        await self._write([*self._refusals.counted(), records.intent(entry.id, call)])
        return entry

    async def outcome(self, entry: OpenEntry, outcome: Outcome) -> bool:
        """Record how a call ended. Return whether the line is on the disk.

        A cancelled caller does not stop the write.
        """
        duration_ms = round((time.monotonic() - entry.started) * 1000)
        return await self._record(records.outcome(entry.id, entry.tool, outcome, duration_ms))

    async def refused(self, call: RecordedCall, reason: str) -> bool:
        """Record that a call was refused, and why. Return whether the line is on the disk.

        Of many refusals in a short time, the first are recorded one by one and the rest is counted.
        """
        counted = self._refusals.count_unless_few(call.tool, call.caller)
        if counted is not None:
            return await self._record(*counted)
        return await self._record(records.refusal(next(self._entry_ids), call, reason))

    async def aclose(self) -> None:
        """Write the count of refusals, and try once more to write the lines that failed."""
        await self._record(*self._refusals.counted())

    async def _record(self, *more: AuditRecord) -> bool:
        if not more and not self._unwritten:
            return True
        try:
            await self._write(more)
        except AuditFailed as error:
            if missing := len(self._unwritten):
                logger.error("%d lines are missing in the audit log: %s", missing, error)
            return not missing
        return True

    async def _write(self, more: Sequence[AuditRecord]) -> None:
        """Write records, in one batch with those that come while an earlier batch is written.

        Raises:
            AuditFailed: intents in the batch were not written, or something is still unwritten.
        """
        with observing.act("audit_append"):
            await self._write_together(more)

    async def _write_together(self, more: Sequence[AuditRecord]) -> None:
        batch = self._waiting
        batch.records += more
        with anyio.CancelScope(shield=True):
            async with self._one_batch:
                if not batch.is_taken:
                    self._waiting, batch.is_taken = _Batch(), True
                    batch.error = StoreError("The write was interrupted.")
                    try:
                        await in_thread(self._write_batch, batch.records)
                    except StoreError as error:
                        batch.error = error
                    else:
                        batch.error = None
        if batch.error:
            raise _failed(batch.error)

    def _write_batch(self, more: Sequence[AuditRecord]) -> None:
        with self._lock:
            lines = [*self._unwritten, *more]
            self._unwritten = [line for line in lines if line["event"] != INTENT]
            try:
                self._lines.append(*lines)
            except StoreError:
                if 0 < len(self._unwritten) < len(lines):  # without intents, it may use the reserve
                    self._lines.append(*self._unwritten)
                    self._unwritten = []
                raise
            self._unwritten = []


@dataclass
class _Batch:
    """Records of several calls that are written together."""

    records: list[AuditRecord] = field(default_factory=list)
    is_taken: bool = False
    error: StoreError | None = None


def _failed(error: StoreError) -> AuditFailed:
    observing.event("audit_failure")
    return AuditFailed(f"The audit log cannot be written: {error}")
