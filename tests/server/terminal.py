"""A process with a terminal of its own, as a person has it."""

import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from support import SERVER

SECONDS = 20.0
"""Longest wait for output of a terminal."""


class Terminal:
    """A process with its own terminal."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self._process = process
        self._terminal = terminal
        self.shown = b""

    def read_until(self, text: str) -> None:
        """Wait for an unanswered prompt."""
        while not self.shown.endswith(text.encode()):
            self._read()

    def line_with(self, text: str) -> str:
        """Wait for a whole line with this text."""
        while True:
            for line in self.shown.decode().split("\r\n")[:-1]:
                if text in line:
                    return line
            assert self._read(), f"ended with {self.shown!r}"

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """The exit code and the output."""
        while self._process.poll() is None or select.select([self._terminal], [], [], 0)[0]:
            if not self._read():
                break
        return self._process.wait(SECONDS), self.shown.decode()

    def _read(self) -> bytes:
        ready, _, _ = select.select([self._terminal], [], [], SECONDS)
        assert ready, f"nothing more than {self.shown!r}"
        try:
            chunk = os.read(self._terminal, 65536)
        except OSError:  # the process has closed its side
            chunk = b""
        self.shown += chunk
        return chunk


@contextmanager
def at_terminal(*arguments: str) -> Iterator[Terminal]:
    """A command of ours at a terminal."""
    terminal, side = pty.openpty()
    command, env = [*SERVER, *arguments], os.environ | {"TERM": "dumb"}
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=env) as process:
        os.close(side)
        try:
            yield Terminal(process, terminal)
        finally:
            process.kill()
            os.close(terminal)
