"""An audit log on standard error, for containers: the platform collects what they write."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import write_all

from . import chain
from .chain import ChainLink
from .key import new_key, read_key

STDERR = 2


class Stream:
    """A chain of this process alone. Without a key file, its key ends with the process."""

    place = "standard error"

    def __init__(self, key_file: Path | None = None) -> None:
        self._key_file = key_file
        self._key = None if key_file else new_key().encode()
        self._link = ChainLink()
        self._broken = False

    def check(self) -> None:
        """Prove that there is a key, and a stream.

        Raises:
            StoreError: there is no key or no stream.
        """
        self._read_key_once()
        try:
            os.fstat(STDERR)
        except OSError as error:
            raise self._failure(error) from None

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write lines.

        Raises:
            StoreError: they were not written, or only in part. After a part, no more lines are
                written.
        """
        if self._broken:
            raise StoreError("Standard error failed in the middle of a line.")
        if self._link == ChainLink():
            # Processes differ in this line, so verify finds lines that somebody repeated.
            self._write(chain.opened(0, self._link) | {"process": secrets.token_hex(8)})
        self._write(*records)

    def _write(self, *records: Mapping[str, Any]) -> None:
        link, lines = self._link.extend_together(self._read_key_once(), records)
        self._broken = True
        try:
            write_all(STDERR, lines)
        except OSError as error:
            raise self._failure(error) from None
        self._broken, self._link = False, link

    def _read_key_once(self) -> bytes:
        if self._key is None and self._key_file:
            self._key = read_key(self._key_file)
        return self._key or b""

    def _failure(self, error: OSError) -> StoreError:
        return StoreError(f"Standard error cannot be written: {error.strerror}.")
