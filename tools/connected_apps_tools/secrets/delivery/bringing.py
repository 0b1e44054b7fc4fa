"""Brings a secret to a destination."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from connected_apps_tools.errors import NotDelivered
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.owned_files import FileRefused
from connected_apps_tools.storage.threads import in_thread

from . import dotenv
from .command import Command

_ONE_FILE = threading.Lock()
"""Lets one delivery of this process change a file: two could have read the same."""


class DestinationLike(Protocol):
    """A destination of the policy: a command, or a file and a key."""

    @property
    def command(self) -> Sequence[str] | None: ...  # noqa: D102 - as in the policy
    @property
    def env(self) -> str | None: ...  # noqa: D102
    @property
    def variables(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def seconds(self) -> int: ...  # noqa: D102
    @property
    def file(self) -> str | None: ...  # noqa: D102
    @property
    def key(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class DotenvKey:
    """A key of a dotenv file."""

    file: Path
    key: str

    def problem(self) -> str | None:
        """Why it cannot be set here, as a sentence; None if it can."""
        return dotenv.problem_of(self.file, self.key)

    async def run(self, secret: str) -> None:
        """Set it to a secret.

        Raises:
            NotDelivered: it could not be set.
        """
        try:
            await in_thread(self._set, secret)
        except StoreError as error:
            raise NotDelivered(f"Not delivered: {error}") from None

    def _set(self, secret: str) -> None:
        try:
            with _ONE_FILE:
                dotenv.set_key(self.file, self.key, secret)
        except FileRefused as error:
            raise StoreError(str(error)) from None


def means_of(destination: DestinationLike) -> Command | DotenvKey:
    """How a secret is brought to a destination."""
    if destination.command is not None:
        return Command(
            destination.command, destination.env, destination.variables, destination.seconds
        )
    if destination.file is None or destination.key is None:
        raise AssertionError("a destination is a command, or a file and a key")
    return DotenvKey(Path(destination.file), destination.key)
