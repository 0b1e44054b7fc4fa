"""A clock that a test moves, for a server in a process of its own."""

import os
from pathlib import Path

HOURS = 3600

_HOOK = Path(__file__).parent / "moved_clock"


class Clock:
    """The clock of a server. It goes as all clocks do, until it is moved."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "moved"
        self.move(0)

    @property
    def environment(self) -> dict[str, str]:
        """What a server needs that goes by it."""
        path = os.pathsep.join(filter(None, [str(_HOOK), os.environ.get("PYTHONPATH")]))
        return {"PYTHONPATH": path, "CLOCK": str(self._file)}

    def move(self, seconds: float) -> None:
        """Let time pass for the server."""
        before = float(self._file.read_text("utf-8")) if self._file.exists() else 0.0
        new = self._file.with_suffix(".new")
        new.write_text(str(before + seconds), "utf-8")
        new.rename(self._file)  # the server reads it all the time
