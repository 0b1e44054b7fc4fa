"""What the server calls: the intent before a call is made, and its outcome after."""

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from connected_apps_tools.errors import ConnectedAppsError
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread

from . import records
from .chain import AuditRecord
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

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a line. When this returns, it is written."""
        ...


@dataclass(frozen=True)
class OpenEntry:
    """A call with a recorded intent and no outcome yet."""

    tool: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    started: float = field(default_factory=time.monotonic)


class AuditLog:
    """Records every call that changes something or shows a secret, and every refusal.

    An outcome or a refusal that cannot be written stays in memory, and is written before the next
    line. So no new call is made before it is recorded.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._unwritten: list[AuditRecord] = []
        self._lock = threading.Lock()
        self._refusals = Refusals()

    @property
    def place(self) -> str:
        """Where a person finds the log."""
        return self._lines.place

    async def check(self) -> None:
        """Prove that the log can be written.

        Raises:
            AuditFailed: it cannot be written.
        """
        await self._do(self._lines.check)

    async def intend(self, call: RecordedCall) -> OpenEntry:
        """Record that a call is about to be made. When this returns, the line is on the disk.

        Raises:
            AuditFailed: the line could not be written, so the call must not be made.
        """
        entry = OpenEntry(call.tool)
        self._unwritten += self._refusals.counted()
        await self._do(self._write, records.intent(entry.id, call))
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
        counted = self._refusals.count_unless_few(call.tool)
        if counted is not None:
            return await self._record(*counted)
        return await self._record(records.refusal(OpenEntry(call.tool).id, call, reason))

    async def aclose(self) -> None:
        """Write the count of refusals, and try once more to write the lines that failed."""
        self._unwritten += self._refusals.counted()
        if self._unwritten:
            await self._write_unwritten()

    async def _record(self, *more: AuditRecord) -> bool:
        self._unwritten += more
        return await self._write_unwritten() if self._unwritten else True

    async def _write_unwritten(self) -> bool:
        try:
            await self._do(self._write)
        except AuditFailed as error:
            logger.error("%d lines are missing in the audit log: %s", len(self._unwritten), error)
            return False
        return True

    async def _do(self, act: Any, *arguments: object) -> None:  # noqa: ANN401 - a method of the lines
        try:
            with anyio.CancelScope(shield=True):
                await in_thread(act, *arguments)
        except StoreError as error:
            raise AuditFailed(f"The audit log cannot be written: {error}") from None

    def _write(self, *more: AuditRecord) -> None:
        with self._lock:
            while self._unwritten:
                self._lines.append(self._unwritten[0])
                del self._unwritten[0]
            for record in more:
                self._lines.append(record)
