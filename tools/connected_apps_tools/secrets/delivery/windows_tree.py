"""A command and everything that it starts, by the means of Windows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import win32api
import win32con
import win32job
from anyio.abc import Process

assert sys.platform == "win32"  # noqa: S101 - the check of types reads it


class ProcessTree:
    """A command in a job, which ends with everything in it."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        jobs: Any = win32job  # its stubs say that nothing is returned
        self._job = jobs.CreateJobObject(None, "")
        limits = jobs.QueryInformationJobObject(
            self._job, win32job.JobObjectExtendedLimitInformation
        )
        limits["BasicLimitInformation"]["LimitFlags"] |= win32job.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        win32job.SetInformationJobObject(
            self._job, win32job.JobObjectExtendedLimitInformation, limits
        )

    async def start(self, words: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Start the command. What it starts in its first moment may be outside the job.

        Raises:
            OSError: it cannot be started.
            ValueError: a word, or the environment, has NUL.
        """
        process = await anyio.open_process(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="\\",
            env=environment,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        access = win32con.PROCESS_SET_QUOTA | win32con.PROCESS_TERMINATE
        handle: Any = win32api.OpenProcess(access, False, process.pid)  # noqa: FBT003 - its own
        win32job.AssignProcessToJobObject(self._job, handle)
        return process

    def end(self) -> None:
        """End the command and everything that it has started, if it has not ended."""
        win32job.TerminateJobObject(self._job, 1)
