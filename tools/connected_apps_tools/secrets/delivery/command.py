"""Runs a command that gets a secret, and lets nothing of it back but its exit code."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio.abc import ByteReceiveStream, Process

from connected_apps_tools.errors import NotDelivered

if sys.platform == "win32":
    from .windows_tree import ProcessTree
else:
    from .posix_tree import ProcessTree

if TYPE_CHECKING:
    from anyio.abc import ByteSendStream

GRACE_SECONDS = 10.0
"""How long the end of everything that the command has started may take."""

DRAIN_SECONDS = 1.0
"""How long to count the rest of the output of a command that has ended."""

KEPT = re.compile(r"PATH|HOME|LANG|LANGUAGE|LC_\w+")
"""The variables that every command gets."""

KEPT_ON_WINDOWS = re.compile(r"PATH|PATHEXT|SYSTEMROOT|USERPROFILE|(LOCAL)?APPDATA|TEMP", re.I)
"""The same on Windows, where programs do not start without some of them."""


@dataclass(frozen=True)
class Command:
    """A command, as the operator describes it.

    Attributes:
        words: the program and its arguments.
        env: the variable that holds the secret; None for standard input.
        variables: more variables of this process that the command gets.
        seconds: its time limit.
    """

    words: Sequence[str]
    env: str | None
    variables: Sequence[str]
    seconds: float

    def problem(self) -> str | None:
        """Why it cannot be run here, as a sentence; None if it can."""
        if shutil.which(self.words[0]) is None:
            return f"The command {self.words[0]} is not found."
        return None

    async def run(self, secret: str) -> int:
        """Run it with a secret. Return the number of bytes that it wrote; they are dropped.

        When this returns or raises, everything that it started has ended, as far as the system
        offers that.

        Raises:
            NotDelivered: it could not be started, failed, or did not end in time.
        """
        tree, counted = ProcessTree(), _Counted()
        try:
            process = await tree.start(self.words, self._environment(secret))
        except (OSError, ValueError):
            tree.end()
            raise NotDelivered("Not delivered: the command could not be started.") from None
        in_time = False
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_feed, process.stdin, None if self.env else secret)
                tasks.start_soon(counted.drop, process.stdout)
                tasks.start_soon(counted.drop, process.stderr)
                with anyio.move_on_after(self.seconds):
                    await process.wait()
                    in_time = True
                await _end(tree, process)
                tasks.cancel_scope.deadline = anyio.current_time() + DRAIN_SECONDS
        finally:
            with anyio.CancelScope(shield=True):
                await _end(tree, process)
                await process.aclose()
        if not in_time:
            raise self._failed(f"did not end within {self.seconds:g} seconds", counted)
        if process.returncode:
            raise self._failed(f"ended with exit code {_exit_code(process)}", counted)
        return counted.bytes

    def _environment(self, secret: str) -> Mapping[str, str]:
        kept = KEPT_ON_WINDOWS if sys.platform == "win32" else KEPT
        given = {
            name: value
            for name, value in os.environ.items()
            if kept.fullmatch(name) or name in self.variables
        }
        return given | ({self.env: secret} if self.env else {})

    def _failed(self, how: str, counted: "_Counted") -> NotDelivered:
        failure = NotDelivered(
            f"The command {how}, so the secret may not have arrived. It wrote {counted.bytes} "
            "bytes, which are not shown."
        )
        failure.may_have_taken_effect = True
        return failure


class _Counted:
    """The number of bytes that a command has written."""

    def __init__(self) -> None:
        self.bytes = 0

    async def drop(self, stream: ByteReceiveStream | None) -> None:
        """Read a stream to its end, and keep nothing but the number of bytes."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while stream:
                part = await stream.receive()
                self.bytes += len(part)


async def _feed(stream: "ByteSendStream | None", secret: str | None) -> None:
    """Write a secret to standard input, and close it. The command need not read it."""
    if stream is None:
        return
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        if secret:
            await stream.send(secret.encode())
        await stream.aclose()


async def _end(tree: ProcessTree, process: Process) -> None:
    """End the command with everything that it has started, and wait for that."""
    tree.end()
    with anyio.move_on_after(GRACE_SECONDS):
        await process.wait()
        return
    process.kill()
    await process.wait()


def _exit_code(process: Process) -> int:
    """The exit code; for the signal that ended it, as a shell says it."""
    code = process.returncode or 0
    return code if code >= 0 else 128 - code
