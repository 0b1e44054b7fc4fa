"""Runs one command, and ends everything that it has started. A program of its own.

Its arguments are the number of an open pipe and the command. It ends with the exit code of the
command, or with 128 and the number of the signal that ended it. When the pipe closes, because the
time is over or the server has ended in any way, it ends the command.

It imports the standard library alone, so that it starts fast.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

assert sys.platform != "win32"  # noqa: S101 - the check of types reads it

PR_SET_CHILD_SUBREAPER = 36

PERSISTENCE_SECONDS = 5.0
"""How long to go on ending processes that start others meanwhile."""

CANNOT_START = 127
"""The exit code for a command that cannot be started, as in a shell."""


def main(pipe: int, words: list[str]) -> int:
    """Run the command, and return its exit code once everything that it started has ended."""
    if sys.platform == "linux":  # orphans become children of this process, wherever they hide
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        command = subprocess.Popen(words, start_new_session=True)  # noqa: S603 - the operator's
    except OSError:
        return CANNOT_START
    _let_go_of_input()
    threading.Thread(target=_end_with, args=(pipe, command.pid), daemon=True).start()
    code = command.wait()
    _end_group(command.pid)
    if sys.platform == "linux":
        _end_children()
    return code if code >= 0 else 128 - code


def _let_go_of_input() -> None:
    """Leave standard input to the command, so that the server sees when it is closed."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _end_with(pipe: int, group: int) -> None:
    """End the command when the pipe closes."""
    os.read(pipe, 1)
    _end_group(group)


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end_children() -> None:
    """End all children. Their children become ours, so in the end there are none."""
    give_up_at = time.monotonic() + PERSISTENCE_SECONDS
    while time.monotonic() < give_up_at:
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _children() -> list[int]:
    return [int(each) for each in os.listdir("/proc") if each.isdigit() and _is_ours(each)]  # noqa: PTH208 - as below


def _is_ours(process: str) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123 - pathlib loads slowly
            _state, parent, *_ = file.read().rpartition(b")")[2].split()
    except OSError:  # it has ended meanwhile
        return False
    return int(parent) == os.getpid()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
