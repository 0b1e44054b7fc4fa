"""Faults that a test asks for: what the sandbox does in place of an answer, or before it."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from connected_apps_mcp.sandbox.errors import ErrorType
from connected_apps_mcp.sandbox.models import Reply

MAX_FAULTS = 100
MAX_SECONDS = 60.0
"""The longest latency."""


class Fault(BaseModel):
    """What happens to calls. Without `operation` it happens to every call of the service's API."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    operation: str | None = Field(None, description="The operationId, as in /openapi.json.")
    times: int | None = Field(None, ge=1, le=1_000_000, description="For so many calls; else all.")
    latency: float = Field(0.0, ge=0, le=MAX_SECONDS, description="Seconds before the answer.")
    status: int | None = Field(None, ge=400, le=599, description="Answer with this status.")
    error_type: str | None = Field(None, pattern=r"^[a-z0-9_]{1,100}$")
    retry_after: int | None = Field(None, ge=0, le=3600, description="Send a Retry-After header.")
    malformed: bool = Field(default=False, description="Answer 200 with a body that is no JSON.")
    cut: bool = Field(
        default=False,
        description="Carry the call out, then break the connection off. Needs a real port.",
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


class FaultsRequest(BaseModel):
    """All faults that are to be in force."""

    model_config = ConfigDict(extra="forbid", strict=True)

    faults: list[Fault] = Field(max_length=MAX_FAULTS)


class FaultsReply(Reply):
    """The faults that are in force."""

    faults: list[Fault]


class Faults:
    """The faults in force. The first that fits a call happens to it."""

    def __init__(self, latency: float = 0.0) -> None:
        self._lasting = [Fault(latency=latency)] if latency else []
        self._left: list[tuple[Fault, int | None]] = []

    def replace(self, faults: list[Fault]) -> None:
        """Let these be in force, and no others."""
        self._left = [(fault, fault.times) for fault in faults]

    def take(self, operation: str) -> Fault | None:
        """The fault that happens to a call, if any; it counts as one time of that fault."""
        for place, (fault, times) in enumerate(self._left):
            if fault.operation in {None, operation}:
                if times == 1:
                    del self._left[place]
                elif times:
                    self._left[place] = fault, times - 1
                return fault
        return next(iter(self._lasting), None)


async def happen(fault: Fault, request_id: str) -> Response | None:
    """Let a fault happen; return what is answered in place of the service's answer, if anything."""
    await asyncio.sleep(fault.latency)
    if fault.malformed:
        return Response("<html>not what the API promises</html>", media_type="application/json")
    if fault.status is None:
        return None
    error_type = fault.error_type or _usual(fault.status).name.lower()
    told: dict[str, Any] = {
        "status_code": fault.status,
        "request_id": request_id,
        "error_type": error_type,
        "error_message": "This fault was asked for.",
        "error_url": f"https://stytch.com/docs/api/errors/{fault.status}#{error_type}",
    }
    wait = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return JSONResponse(told, fault.status, headers=wait)


def _usual(status: int) -> ErrorType:
    if status == 429:  # noqa: PLR2004
        return ErrorType.TOO_MANY_REQUESTS
    return ErrorType.INTERNAL_SERVER_ERROR if status >= 500 else ErrorType.BAD_REQUEST  # noqa: PLR2004


class Cut(Response):
    """An answer that breaks off after its head."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Promise a body, and send none."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
