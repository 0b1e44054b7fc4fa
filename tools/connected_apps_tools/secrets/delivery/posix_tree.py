"""A command and everything that it starts, by POSIX means."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
from anyio.abc import Process

assert sys.platform != "win32"  # noqa: S101 - the check of types reads it

GUARD = str(Path(__file__).with_name("guard.py"))


class ProcessTree:
    """A command under a guard, which ends everything that it has started.

    On Linux that is every descendant. Elsewhere it is the process group: a process that has left
    the group goes on there.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._open: int | None = None

    async def start(self, words: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Start the command. The process is its guard, with the exit code of the command.

        Raises:
            OSError: it cannot be started.
            ValueError: a word, or the environment, has NUL.
        """
        theirs, self._open = os.pipe()
        try:
            return await anyio.open_process(
                [sys.executable, "-I", GUARD, str(theirs), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=environment,
                start_new_session=True,
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)

    def end(self) -> None:
        """End the command and everything that it has started, if it has not ended."""
        if self._open is not None:
            os.close(self._open)
            self._open = None
