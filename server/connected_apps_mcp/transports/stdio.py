"""Serves one client over standard input and output.

It replaces the SDK's streams, which read in a thread that nothing can interrupt: no signal could
end the process before the client closes its side.
"""

import logging
import re
from contextlib import suppress
from typing import Self

import anyio
from anyio.lowlevel import checkpoint
from mcp import types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json

from connected_apps_mcp.egress import redact
from connected_apps_mcp.limits import MAX_CALLS, STREAM_METHODS, TOO_MANY_REQUESTS
from connected_apps_mcp.protocol.server import AnyServer

from .shutdown import ShutdownSignals
from .wire import Wire

logger = logging.getLogger(__name__)

ODD_ID = re.compile(rb'"(?:i|\\u0069)(?:d|\\u0064)"\s*:\s*(?:[^\s"\d-]|-\D|-?\d+[.eE])')
"""A possible id that JSON-RPC forbids. The SDK would read such a request as a notification."""

FINAL_WRITE_SECONDS = 2.0
"""Time for the client to read the last messages after the shutdown time is over."""


async def serve_stdio(
    server: AnyServer, *, shutdown_seconds: float, signals: ShutdownSignals
) -> None:
    """Serve until the client closes standard input or a signal comes.

    Calls in flight then have `shutdown_seconds` to finish. The rest get an error, if the client
    still reads. A second signal cuts this short.
    """
    calls = _Calls(shutdown_seconds)
    with Wire(calls.start_shutdown) as wire, calls.serving:
        signals.react(wire.end, calls.stop_waiting)
        outgoing = _Outgoing(wire, calls)
        incoming = _Incoming(wire, outgoing, calls)
        await server.run(incoming, outgoing, server.create_initialization_options())
        await wire.flush()  # the server does not wait for what it sent last


class _Calls:
    """The requests of both sides without a response, and how long they may wait."""

    def __init__(self, shutdown_seconds: float) -> None:
        self._shutdown_seconds = shutdown_seconds
        self._in_flight: set[str] = set()
        self._requests: list[types.RequestId] = []
        self._changed = anyio.Event()
        self._waiting = anyio.CancelScope()
        self.serving = anyio.CancelScope()
        """Cancelled when the time for the last messages is over."""

    @property
    def full(self) -> bool:
        """Whether no more requests are allowed in flight."""
        return len(self._in_flight) >= MAX_CALLS

    def has(self, request: types.RequestId) -> bool:
        """Whether a request with this id is in flight."""
        return str(request) in self._in_flight

    def received(self, message: types.JSONRPCMessage) -> None:
        """Note a message from the client."""
        match message:
            case types.JSONRPCRequest(id=request, method=method) if method not in STREAM_METHODS:
                self._in_flight.add(str(request))
            case types.JSONRPCNotification(
                method="notifications/cancelled", params={"requestId": str() | int() as cancelled}
            ):
                self._finish(cancelled)
            case types.JSONRPCResponse(id=answered) | types.JSONRPCError(id=answered):
                self._requests = [each for each in self._requests if str(each) != str(answered)]

    def sent(self, message: types.JSONRPCMessage) -> None:
        """Note a message from the server."""
        match message:
            case types.JSONRPCRequest(id=request):
                self._requests.append(request)
                self._changed.set()
            case types.JSONRPCResponse(id=answered) | types.JSONRPCError(id=answered):
                self._finish(answered)

    def _finish(self, request: types.RequestId | None) -> None:
        self._in_flight.discard(str(request))
        self._changed.set()

    async def after_input(self) -> SessionMessage | None:
        """The next message after the end of the input: an error for a request of ours.

        None once all calls are finished or the shutdown time is over.
        """
        self._waiting = anyio.CancelScope(deadline=self._waiting.deadline)
        with self._waiting:
            while self._in_flight:
                if self._requests:
                    return _error(
                        self._requests.pop(), types.CONNECTION_CLOSED, "Connection closed"
                    )
                self._changed = anyio.Event()
                await self._changed.wait()
        return None

    def start_shutdown(self) -> None:
        """Start the shutdown time."""
        self._end_within(self._shutdown_seconds)

    def stop_waiting(self) -> None:
        """End the shutdown time now."""
        self._end_within(0)

    def _end_within(self, seconds: float) -> None:
        deadline = min(self._waiting.deadline, anyio.current_time() + seconds)
        self._waiting.deadline = deadline
        self.serving.deadline = deadline + FINAL_WRITE_SECONDS


def _error(request: types.RequestId | None, code: int, text: str) -> SessionMessage:
    error = types.ErrorData(code=code, message=text)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request, error=error))


def _refusal(problem: Exception) -> SessionMessage:
    """The response to a line that is not a message (JSON-RPC 2.0, section 5.1)."""
    problems = problem.errors(include_input=False) if isinstance(problem, ValidationError) else []
    if any(each["type"] == "json_invalid" for each in problems):
        return _error(None, types.PARSE_ERROR, "The line is not JSON.")
    return _error(None, types.INVALID_REQUEST, "The line is not one JSON-RPC message.")


def _parsed(line: bytes) -> types.JSONRPCMessage:
    """The message of a line, as the SDK would read it, but refused if its id is forbidden."""
    text = line.decode(errors="replace")
    if ODD_ID.search(line):
        with suppress(ValueError):  # the SDK's parser, so that both read the same
            message = from_json(text)
            if isinstance(message, dict) and "id" in message and not _is_id(message["id"]):
                text = "{}"
    return types.jsonrpc_message_adapter.validate_json(text, by_name=False)


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


class _Stream:
    """Common parts of the two streams."""

    async def aclose(self) -> None:
        """Do nothing: the wire closes by itself."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Outgoing(_Stream):
    """Messages to the client, redacted."""

    def __init__(self, wire: Wire, calls: _Calls) -> None:
        self._wire = wire
        self._calls = calls

    async def send(self, item: SessionMessage) -> None:
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
        await self._wire.write(redact(line).encode())
        self._calls.sent(item.message)


class _Incoming(_Stream):
    """Messages from the client. They end only when no call is in flight."""

    def __init__(self, wire: Wire, outgoing: _Outgoing, calls: _Calls) -> None:
        self._lines = wire.lines()
        self._outgoing = outgoing
        self._calls = calls

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        refusal: SessionMessage | None
        async for line in self._lines:
            try:
                message = _parsed(line)
            except ValidationError as problem:
                logger.warning("Refused a line that is not a JSON-RPC message.")
                refusal = _refusal(problem)
            else:
                if not (refusal := self._refusal_of(message)):
                    self._calls.received(message)
                    return SessionMessage(message)
            await self._outgoing.send(refusal)
            await checkpoint()  # many bad lines must not keep others waiting
        if error := await self._calls.after_input():
            return error
        raise StopAsyncIteration

    def _refusal_of(self, message: types.JSONRPCMessage) -> SessionMessage | None:
        """The error for a message that is refused; None for one that is accepted."""
        if not isinstance(message, types.JSONRPCRequest):
            return None
        if self._calls.has(message.id):
            logger.warning("Refused a request: another request with its id is in flight.")
            # Without the id, which would answer the request in flight.
            return _error(None, types.INVALID_REQUEST, "A request with this id is in flight.")
        if self._calls.full:
            logger.warning("Refused a request: %d are in flight.", MAX_CALLS)
            text = f"Too many requests: {MAX_CALLS} are in flight. Wait for a response first."
            return _error(message.id, TOO_MANY_REQUESTS, text)
        return None

    receive = __anext__
