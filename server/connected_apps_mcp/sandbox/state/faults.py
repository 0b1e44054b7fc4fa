"""Faults that a test sets: they delay a response, or replace it."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from connected_apps_mcp.sandbox.errors import ErrorType
from connected_apps_mcp.sandbox.models import Model, Reply

MAX_FAULTS = 100
MAX_SECONDS = 60.0
"""Longest latency."""


class Fault(Model):
    """A fault of one operation; without `operation`, of every call of the service's API."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    operation: str | None = Field(None, description="The operationId, as in /openapi.json.")
    times: int | None = Field(None, ge=1, le=1_000_000, description="Number of calls, else all.")
    latency: float = Field(0.0, ge=0, le=MAX_SECONDS, description="Delay in seconds.")
    status: int | None = Field(None, ge=400, le=599, description="Respond with this status.")
    error_type: str | None = Field(None, pattern=r"^[a-z0-9_]{1,100}$")
    retry_after: int | None = Field(None, ge=0, le=3600, description="Send a Retry-After header.")
    malformed: bool = Field(default=False, description="Respond 200 with a body that is not JSON.")
    cut: bool = Field(
        default=False,
        description="Perform the call, then cut off the response. Needs a real port.",
    )

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        instead = [self.status is not None, self.malformed, self.cut]
        if sum(instead) > 1 or not (any(instead) or self.latency):
            raise PydanticCustomError(
                "fault", "give one of status, malformed and cut, or a latency, or both"
            )
        if self.status is None and (self.error_type or self.retry_after is not None):
            raise PydanticCustomError("fault", "error_type and retry_after go with a status")
        return self


class FaultsRequest(Model):
    """The faults to put in force."""

    model_config = ConfigDict(extra="forbid", strict=True)

    faults: list[Fault] = Field(max_length=MAX_FAULTS)


class FaultsReply(Reply):
    """The faults in force."""

    faults: list[Fault]


class Faults:
    """The faults in force. The first that matches a call applies."""

    def __init__(self, latency: float = 0.0) -> None:
        self._default = [Fault(latency=latency)] if latency else []
        self._faults: list[tuple[Fault, int | None]] = []

    def replace(self, faults: list[Fault]) -> None:
        """Replace the faults in force."""
        self._faults = [(fault, fault.times) for fault in faults]

    def take(self, operation: str) -> Fault | None:
        """The fault for a call, if any. Counts the call."""
        for place, (fault, times) in enumerate(self._faults):
            if fault.operation in {None, operation}:
                if times == 1:
                    del self._faults[place]
                elif times:
                    self._faults[place] = fault, times - 1
                return fault
        return next(iter(self._default), None)


async def apply_fault(fault: Fault, request_id: str) -> Response | None:
    """Apply a fault; return the response that replaces the service's, if any."""
    await asyncio.sleep(fault.latency)
    if fault.malformed:
        return Response("<html>not what the API promises</html>", media_type="application/json")
    if fault.status is None:
        return None
    error_type = fault.error_type or _default_type(fault.status).name.lower()
    body: dict[str, Any] = {
        "status_code": fault.status,
        "request_id": request_id,
        "error_type": error_type,
        "error_message": "A test set this fault.",
        "error_url": f"https://stytch.com/docs/api/errors/{fault.status}#{error_type}",
    }
    wait = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return JSONResponse(body, fault.status, headers=wait)


def _default_type(status: int) -> ErrorType:
    if status == 429:  # noqa: PLR2004
        return ErrorType.TOO_MANY_REQUESTS
    return ErrorType.INTERNAL_SERVER_ERROR if status >= 500 else ErrorType.BAD_REQUEST  # noqa: PLR2004


class CutResponse(Response):
    """A response that ends after its head."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        """Announce a body, but do not send all of it."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
