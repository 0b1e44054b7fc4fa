"""Search cursors: a position in the store, in a form that invites nobody to compute with it.

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
    """Return the position; the empty cursor is the beginning. Raises `ApiError` for any other."""
    if not cursor:
        return 0
    try:
        _, position = _FORMAT.unpack(base64.urlsafe_b64decode(cursor))
    except (ValueError, struct.error):
        position = None
    # The decoder overlooks stray characters; only what we would issue ourselves is a cursor.
    if position is None or encode_cursor(position) != cursor:
        raise ApiError(ErrorType.INVALID_REQUEST_VALUE, "cursor: not one that a search returned")
    return int(position)
