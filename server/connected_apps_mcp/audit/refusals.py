"""Keeps refused calls from filling the audit log: a few are recorded whole, more are counted."""

import time
from collections import Counter

from . import records
from .chain import AuditRecord

BURST = 50
"""Refusals that are recorded whole at once."""

SECONDS_EACH = 6.0
"""Seconds after which one more may be recorded whole: ten a minute."""

SECONDS_COUNTED = 10.0
"""How long a count may grow before it is written, as far as more refusals come."""


class Refusals:
    """Decides which refusals are recorded whole, and counts the others by tool."""

    def __init__(self) -> None:
        self._room = float(BURST)
        self._looked_at = self._written_at = time.monotonic()
        self._counts: Counter[str] = Counter()

    def count_unless_few(self, tool: str) -> list[AuditRecord] | None:
        """Count a refusal, and give the lines that are due; None where it is recorded whole."""
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
        """The line that tells how many were counted, if any were."""
        if not self._counts:
            return []
        counts, self._counts = dict(self._counts), Counter()
        return [records.refusals(counts)]
