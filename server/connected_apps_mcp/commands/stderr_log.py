"""Logs to standard error without ever waiting for its reader."""

import logging
import os
import queue
import threading
import time
from contextlib import suppress

STDERR = 2

MAX_QUEUED_LINES = 1_000
"""Lines that may wait to be written. More are dropped and counted."""

MAX_SIMILAR = 20
"""Similar lines written within `SIMILAR_SECONDS`. More are only counted."""

SIMILAR_SECONDS = 10.0

CLOSE_SECONDS = 1.0
"""Time at exit to write the last lines."""

CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}
"""Printable forms of control characters, which could act on a terminal."""


class StderrLog(logging.Handler):
    """Writes lines in a thread, so that a full pipe blocks nothing else.

    Similar lines, from the same place in the code, are rate-limited.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_QUEUED_LINES)
        self._dropped = 0
        self._kinds: dict[tuple[str, int], tuple[float, int]] = {}
        self._writer = threading.Thread(
            target=self._write, name="connected-apps-mcp-log", daemon=True
        )
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or count it."""
        skipped = self._skipped_before(record)
        if skipped is None:
            return
        line = self.format(record) + (f" ({skipped} more like this)" if skipped else "")
        try:
            self._lines.put_nowait(line.translate(CONTROLS) + "\n")
        except queue.Full:
            self._dropped += 1

    def _skipped_before(self, record: logging.LogRecord) -> int | None:
        """How many similar lines were skipped before this one; None to skip this one too."""
        kind, now = (record.pathname, record.lineno), time.monotonic()
        since, count = self._kinds.get(kind, (now, 0))
        if now - since >= SIMILAR_SECONDS:
            self._kinds[kind] = now, 1
            return max(0, count - MAX_SIMILAR)
        self._kinds[kind] = since, count + 1
        return 0 if count < MAX_SIMILAR else None

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if dropped := self._dropped:
                self._dropped -= dropped
                line = f"{dropped} log lines were dropped: standard error was not read.\n{line}"
            data = line.encode(errors="backslashreplace")
            with suppress(OSError):  # there is nowhere else to report it
                while data:
                    data = data[os.write(STDERR, data) :]

    def close(self) -> None:
        """Write the last lines, within `CLOSE_SECONDS`."""
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._writer.join(CLOSE_SECONDS)
        super().close()
