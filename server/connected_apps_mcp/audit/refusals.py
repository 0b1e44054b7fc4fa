"""Stops refused calls from filling the audit log: a few are recorded whole, the rest is counted."""

import time
from collections import Counter, OrderedDict

from connected_apps_mcp.callers import Caller

from . import records
from .chain import AuditRecord

BURST = 50
"""Refusals of a caller in a row that are recorded whole."""

SECONDS_EACH = 6.0
"""Seconds after which one more is recorded whole: ten a minute."""

SECONDS_COUNTED = 10.0
"""Seconds after which the next refusal writes the count."""


MAX_CALLERS = 1_000
"""Callers with an allowance of their own. Beyond them, the one refused longest ago goes."""


class _Allowance:
    """How many more refusals of a caller are recorded whole."""

    def __init__(self) -> None:
        self._room = float(BURST)
        self._looked_at = time.monotonic()

    def take(self) -> bool:
        """Take one, and return whether there was one."""
        now = time.monotonic()
        self._room = min(BURST, self._room + (now - self._looked_at) / SECONDS_EACH)
        self._looked_at = now
        has_room = self._room >= 1
        self._room -= has_room
        return has_room


class Refusals:
    """Decides which refusals are recorded whole, and counts the others by tool.

    Each caller has an allowance, so that none can push the refusals of another out of the log.
    Requests without a valid token share one.
    """

    def __init__(self) -> None:
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()
        self._written_at = time.monotonic()
        self._counts: Counter[str] = Counter()

    def count_unless_few(self, tool: str, caller: Caller) -> list[AuditRecord] | None:
        """Count a refusal, and return the lines that are due. None: record this refusal whole."""
        now = time.monotonic()
        if self._allowance_of(caller).take():
            return None
        if not self._counts:
            self._written_at = now
        self._counts[tool] += 1
        return self.counted() if now - self._written_at >= SECONDS_COUNTED else []

    def _allowance_of(self, caller: Caller) -> _Allowance:
        allowance = self._allowances.pop(caller.identity, None) or _Allowance()
        self._allowances[caller.identity] = allowance
        if len(self._allowances) > MAX_CALLERS:
            self._allowances.popitem(last=False)
        return allowance

    def counted(self) -> list[AuditRecord]:
        """The line with the counts so far, if there are any. The count starts again at zero."""
        if not self._counts:
            return []
        counts, self._counts = dict(self._counts), Counter()
        return [records.refusals(counts)]
