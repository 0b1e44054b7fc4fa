"""Logs to standard error without ever waiting for whoever reads it."""

import logging
import os
import queue
import threading
import time
from contextlib import suppress

STDERR = 2

MOST_LINES = 1_000
"""Lines that wait to be written. More are dropped and counted."""

MOST_ALIKE = 20
"""Lines of one kind that are written in `SECONDS_ALIKE`. More are counted."""

SECONDS_ALIKE = 10.0

LAST_SECONDS = 1.0
"""How long the end of the process waits for the last lines to be written."""

CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}
"""Control characters, which could act on a terminal, as they are shown."""


class StderrLog(logging.Handler):
    """Hands lines to a thread that writes them, so that a full pipe holds nothing else up.

    Lines of one kind, from one place in the code, are limited by rate.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_LINES)
        self._dropped = 0
        self._kinds: dict[tuple[str, int], tuple[float, int]] = {}
        self._writer = threading.Thread(
            target=self._write, name="connected-apps-mcp-log", daemon=True
        )
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or count it."""
        more = self._more_like(record)
        if more is None:
            return
        line = self.format(record) + (f" ({more} more like this)" if more else "")
        try:
            self._lines.put_nowait(line.translate(CONTROLS) + "\n")
        except queue.Full:
            self._dropped += 1

    def _more_like(self, record: logging.LogRecord) -> int | None:
        """How many lines of this kind were left out before it; None where it is left out too."""
        kind, now = (record.pathname, record.lineno), time.monotonic()
        since, count = self._kinds.get(kind, (now, 0))
        if now - since >= SECONDS_ALIKE:
            self._kinds[kind] = now, 1
            return max(0, count - MOST_ALIKE)
        self._kinds[kind] = since, count + 1
        return 0 if count < MOST_ALIKE else None

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if dropped := self._dropped:
                self._dropped -= dropped
                line = f"{dropped} lines of the log were dropped: nobody read them.\n{line}"
            data = line.encode(errors="backslashreplace")
            with suppress(OSError):  # where nobody can hear it, there is nobody to tell
                while data:
                    data = data[os.write(STDERR, data) :]

    def close(self) -> None:
        """Wait a bounded time for the last lines."""
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._writer.join(LAST_SECONDS)
        super().close()
