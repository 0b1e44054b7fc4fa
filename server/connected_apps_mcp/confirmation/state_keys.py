"""The keys that seal a question, so that a client can neither read nor make what it sends back."""

from pathlib import Path

from mcp.server.request_state import RequestStateSecurity

from connected_apps_mcp.settings.settings import SettingsError
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import SharedState
from connected_apps_tools.storage.system import is_open_to_others, way_to_close
from connected_apps_tools.text.redaction import REDACTOR

from .approvals import KIND, Approvals

MIN_KEY_LENGTH = 32
"""Characters."""


def open_security(path: Path | None, state: SharedState) -> RequestStateSecurity:
    """The keys that seal a question until its answer comes: from a file, or one made now.

    An answer counts once among the processes that share the `state`, which records its use.

    Raises:
        SettingsError: the file cannot be read, is open to others or is malformed, or the state
            cannot be used.
    """
    if path is None:
        return RequestStateSecurity.ephemeral()
    keys = read_keys(path)
    try:
        identity = Approvals(state.records(KIND)).identity()
    except StoreError as error:
        raise SettingsError(f"--data-dir: {error}") from None
    return RequestStateSecurity(keys=keys, audience=identity)


def read_keys(path: Path) -> list[str]:
    """The keys in a file.

    Raises:
        SettingsError: it cannot be read, is open to others or is malformed.
    """
    try:
        with path.open(encoding="ascii") as file:
            if is_open_to_others(file.fileno()):
                raise SettingsError(
                    f"--state-key-file: {path} is open to other users: {way_to_close(path)}."
                )
            keys = file.read().split()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise SettingsError(f"--state-key-file: {path} cannot be read ({why}).") from None
    if not keys or min(map(len, keys)) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"--state-key-file: give one key or more, each of {MIN_KEY_LENGTH} characters or more."
        )
    if len(set(keys)) < len(keys):
        raise SettingsError(f"--state-key-file: {path} holds a key twice.")
    for key in keys:
        REDACTOR.add(key)
    return keys
