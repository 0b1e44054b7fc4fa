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

    hint = "Nothing was sent. The operator has to mend the audit log; another call will not help."


class Lines(Protocol):
    """Where the lines go. Methods raise `StoreError`, and block."""

    @property
    def place(self) -> str:
        """Where a person finds them."""
        ...

    def check(self) -> None:
        """Prove that a line can be written, without writing one."""
        ...

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a line. When this returns, it is written."""
        ...


@dataclass(frozen=True)
class OpenEntry:
    """A call that is on record as about to be made."""

    tool: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    begun: float = field(default_factory=time.monotonic)


class AuditLog:
    """The record of every call that changes something or shows a secret, and of every refusal.

    An outcome or a refusal that cannot be written is kept in memory, and goes before the next line:
    so nothing new is done before it is on record.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._owed: list[AuditRecord] = []
        self._turn = threading.Lock()
        self._refusals = Refusals()

    @property
    def place(self) -> str:
        """Where a person finds the log."""
        return self._lines.place

    async def check(self) -> None:
        """Prove that the log can be written.

        Raises:
            AuditFailed: it cannot be.
        """
        await self._do(self._lines.check)

    async def intend(self, call: RecordedCall) -> OpenEntry:
        """Record that a call is about to be made. When this returns, it is on the disk.

        Raises:
            AuditFailed: it could not be recorded, so the call must not be made.
        """
        entry = OpenEntry(call.tool)
        self._owed += self._refusals.counted()
        await self._do(self._write, records.intent(entry.id, call))
        return entry

    async def outcome(self, entry: OpenEntry, outcome: Outcome) -> bool:
        """Record how a call ended; return whether that is on the disk.

        A cancellation does not keep it from being written.
        """
        duration_ms = round((time.monotonic() - entry.begun) * 1000)
        return await self._owe(records.outcome(entry.id, entry.tool, outcome, duration_ms))

    async def refused(self, call: RecordedCall, reason: str) -> bool:
        """Record that a call was not made, and why; return whether that is on the disk.

        Of many in a short time the first are recorded one by one, and the others are counted.
        """
        counted = self._refusals.count_unless_few(call.tool)
        if counted is not None:
            return await self._owe(*counted)
        return await self._owe(records.refusal(OpenEntry(call.tool).id, call, reason))

    async def aclose(self) -> None:
        """Write what is counted, and try once more to write what is owed."""
        self._owed += self._refusals.counted()
        if self._owed:
            await self._pay()

    async def _owe(self, *more: AuditRecord) -> bool:
        self._owed += more
        return await self._pay() if self._owed else True

    async def _pay(self) -> bool:
        try:
            await self._do(self._write)
        except AuditFailed as error:
            logger.error("%d lines are missing in the audit log: %s", len(self._owed), error)
            return False
        return True

    async def _do(self, act: Any, *arguments: object) -> None:  # noqa: ANN401 - of the lines
        try:
            with anyio.CancelScope(shield=True):
                await in_thread(act, *arguments)
        except StoreError as error:
            raise AuditFailed(f"The audit log cannot be written: {error}") from None

    def _write(self, *more: AuditRecord) -> None:
        with self._turn:
            while self._owed:
                self._lines.append(self._owed[0])
                del self._owed[0]
            for record in more:
                self._lines.append(record)
