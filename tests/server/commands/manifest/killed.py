"""Runs our command, and kills its process before one of its writes.

Every change that outlives a process is between two of them: a file is opened to be written, is
written, is brought to the disk, gets another name or goes; or SQLite commits between them.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any

CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate"}
"""The audit events of changes of names."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killer:
    """Counts the writes of this process, and kills it before one of them."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.seen = 0

    def look(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an audit event, if it is one of a write."""
        if event in CHANGES or (event == "open" and (arguments[2] or 0) & WRITING):
            self.count()

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the system that writes, and that no audit event tells of."""

        def write(*arguments: Any) -> Any:
            self.count()
            return function(*arguments)

        return write

    def count(self) -> None:
        self.seen += 1
        if self.seen == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the command in the arguments after the first, which is where to kill; 0 only counts."""
    sys.dont_write_bytecode = True
    killer = Killer(int(sys.argv[1]))
    sys.addaudithook(killer.look)
    os.write, os.fsync = killer.counted(os.write), killer.counted(os.fsync)
    sys.argv = ["connected_apps_mcp", *sys.argv[2:]]
    try:
        runpy.run_module("connected_apps_mcp", run_name="__main__", alter_sys=True)
    finally:
        sys.stdout.write(f"writes: {killer.seen}\n")


if __name__ == "__main__":
    main()
