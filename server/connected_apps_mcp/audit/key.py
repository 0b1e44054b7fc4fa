"""The key that ties the lines together. With it, a log can be forged."""

import secrets
from pathlib import Path

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.system import is_open_to_others, way_to_close
from connected_apps_tools.text.redaction import REDACTOR

MIN_CHARACTERS = 32
MAX_KEY_BYTES = 4096

GROUP_CAN_READ = 0o027
"""The permissions that no other user may have: the group of the file may read it."""


def new_key() -> str:
    """A key of 256 random bits, as it is stored."""
    return secrets.token_hex(32)


def read_key(path: Path) -> bytes:
    """Read the key from a file.

    Raises:
        StoreError: there is no key, or users beside the file's owner and group can read it.
    """
    try:
        with path.open("rb") as file:
            if is_open_to_others(file.fileno(), GROUP_CAN_READ):
                raise StoreError(f"{path} is open to other users: {way_to_close(path)}.")
            text = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise StoreError(f"The key {path} cannot be read: {error.strerror}.") from None
    return as_key(text, path)


def as_key(text: bytes, path: Path) -> bytes:
    """The key from the text of a file.

    Raises:
        StoreError: the text is too short or too long.
    """
    key = text.strip()
    if len(key) < MIN_CHARACTERS or len(text) > MAX_KEY_BYTES:
        raise StoreError(
            f"{path} holds no key: a key has at least {MIN_CHARACTERS} characters. Make one with "
            "'openssl rand -hex 32'."
        )
    REDACTOR.add(key.decode("latin-1"))
    return key
