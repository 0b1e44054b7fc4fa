"""Programs on Node.js that take part in logins."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import node_in

_FOLDER = Path(__file__).parent / "node"


class Program:
    """A program that answers each line of JSON with one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self._process.stdout
        received: dict[str, Any] = json.loads(self._process.stdout.readline())
        return received

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the program answers to a message."""
        self.send(message)
        return self.receive()


@contextmanager
def program(name: str, *arguments: str) -> Iterator[Program]:
    """A program, which ends when its input does. The test is skipped where it cannot run."""
    node = node_in(_FOLDER, "the official TypeScript client and a foreign issuer")
    process = subprocess.Popen(
        [node, str(_FOLDER / name), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Program(process)
        finally:
            assert process.stdin
            process.stdin.close()
            try:
                process.wait(timeout=20)
            finally:
                process.kill()
