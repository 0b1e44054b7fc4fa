"""Stops refused calls from filling the audit log: a few are recorded whole, the rest is counted."""

import time
from collections import Counter

from . import records
from .chain import AuditRecord

BURST = 50
"""Refusals in a row that are recorded whole."""

SECONDS_EACH = 6.0
"""Seconds after which one more is recorded whole: ten a minute."""

SECONDS_COUNTED = 10.0
"""Seconds after which the next refusal writes the count."""


class Refusals:
    """Decides which refusals are recorded whole, and counts the others by tool."""

    def __init__(self) -> None:
        self._room = float(BURST)
        self._looked_at = self._written_at = time.monotonic()
        self._counts: Counter[str] = Counter()

    def count_unless_few(self, tool: str) -> list[AuditRecord] | None:
        """Count a refusal, and return the lines that are due. None: record this refusal whole."""
        now = time.monotonic()
        self._room = min(BURST, self._room + (now - self._looked_at) / SECONDS_EACH)
        self._looked_at = now
        if self._room >= 1:
            self._room -= 1
            return None
        if not self._counts:
            self._written_at = now
        self._counts[tool] += 1
        return self.counted() if now - self._written_at >= SECONDS_COUNTED else []

    def counted(self) -> list[AuditRecord]:
        """The line with the counts so far, if there are any. The count starts again at zero."""
        if not self._counts:
            return []
        counts, self._counts = dict(self._counts), Counter()
        return [records.refusals(counts)]
