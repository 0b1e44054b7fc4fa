"""Search cursors: an opaque form of a position in the store.

UNKNOWN-choice: the service's format and its error for a bad cursor.
"""

from __future__ import annotations

import base64
import struct

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType

_FORMAT = struct.Struct(">4sq")
_MARK = b"page"


def encode_cursor(position: int) -> str:
    """Return the cursor of the page that begins after `position`."""
    return base64.urlsafe_b64encode(_FORMAT.pack(_MARK, position)).decode()


def decode_cursor(cursor: str) -> int:
    """Return the position; the empty cursor is the beginning.

    Raises:
        ApiError: the cursor is not one that `encode_cursor` returns.
    """
    if not cursor:
        return 0
    try:
        _, position = _FORMAT.unpack(base64.urlsafe_b64decode(cursor))
    except (ValueError, struct.error):
        position = None
    # The decoder ignores stray characters, so compare with the exact cursor.
    if position is None or encode_cursor(position) != cursor:
        raise ApiError(ErrorType.INVALID_REQUEST_VALUE, "cursor: no search returned it")
    return int(position)
