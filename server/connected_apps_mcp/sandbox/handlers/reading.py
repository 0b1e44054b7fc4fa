"""Reads the body of a request, within a bound."""

from __future__ import annotations

from starlette.requests import Request

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the whole body.

    Raises:
        ApiError: it is too large.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise ApiError(ErrorType.BAD_REQUEST, f"The body is larger than {max_bytes} bytes.")
    return bytes(body)
