"""What every HTTP request passes: a check of where it comes from, timeouts, and redaction."""

import asyncio
import json
import math
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus

import anyio
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connected_apps_mcp.egress import redact
from connected_apps_mcp.limits import BODY_SECONDS, SEND_SECONDS

Header = tuple[bytes, bytes]


class SameOriginOnly:
    """Middleware that refuses a foreign Host with 421 and a foreign Origin with 403.

    The first stops DNS rebinding, the second pages of other sites.
    """

    def __init__(self, app: ASGIApp, hosts: list[str], origins: list[str]) -> None:
        self._app = app
        self._hosts = {name.encode() for name in hosts}
        self._origins = {None, *(origin.encode() for origin in origins)}
        self._security = TransportSecurityMiddleware(
            TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse a request."""
        if scope["type"] == "http" and not self._is_ours(scope):
            refusal = await self._security.validate_request(Request(scope))
            if refusal:
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers = dict(reversed(scope["headers"]))  # the first of a name counts
        return headers.get(b"host") in self._hosts and headers.get(b"origin") in self._origins


class RequestTimeouts:
    """Middleware: 408 for a body that takes too long, and an end to responses that are not read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within the timeouts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with anyio.CancelScope() as patience:
            request = _TimedRequest(receive, send, patience)
            try:
                await self._app(scope, request.receive, request.send)
            finally:
                request.timer.cancel()
        if patience.cancelled_caught and not request.started:
            late = PlainTextResponse("The body of the request came too slowly.", 408)
            await late(scope, receive, send)


class _TimedRequest:
    """Cancels a request that waits too long for its body, or for the client to read.

    One timer is enough: it goes off when the next deadline could be over.
    """

    def __init__(self, receive: Receive, send: Send, patience: anyio.CancelScope) -> None:
        self._receive = receive
        self._send = send
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._body_deadline = self._loop.time() + BODY_SECONDS
        self._deadline = math.inf
        """The end of what it waits for at the moment."""
        self._complete = False
        self.started = False
        self.timer = self._loop.call_later(min(BODY_SECONDS, SEND_SECONDS), self._check)

    def _check(self) -> None:
        now = self._loop.time()
        if now >= self._deadline:
            self._patience.cancel()
        else:
            self.timer = self._loop.call_at(min(self._deadline, now + SEND_SECONDS), self._check)

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        self._deadline = self._body_deadline
        message = await self._receive()
        self._deadline = math.inf
        self._complete = not message.get("more_body")
        return message

    async def send(self, message: Message) -> None:
        self.started = True
        self._deadline = self._loop.time() + SEND_SECONDS
        await self._send(message)
        self._deadline = math.inf


class RedactResponses:
    """Middleware that redacts every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        await self._app(scope, receive, _RedactedResponse(send))


class _RedactedResponse:
    """Sends one response, redacted. Each piece is a whole message or the whole body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _redact_headers(message["headers"])}
            if any(name == b"content-length" for name, _ in message["headers"]):
                self._start = message  # wait for the length of the body
                return
        elif body := message.get("body"):
            message = {**message, "body": self._redact_body(body)}
        start, self._start = self._start, None
        if start:
            await self._send(start)
        await self._send(message)

    def _redact_body(self, body: bytes) -> bytes:
        redacted = body
        if self._start and self._start["status"] >= HTTPStatus.BAD_REQUEST:
            redacted = _without_quote(body)
        redacted = _redact_bytes(redacted)
        if self._start and len(redacted) != len(body):
            length = (b"content-length", b"%d" % len(redacted))
            others = [header for header in self._start["headers"] if header[0] != length[0]]
            self._start["headers"] = [*others, length]
        return redacted


def _redact_headers(headers: Iterable[Header]) -> list[Header]:
    headers = list(headers)
    together = b" ".join(value for _, value in headers)
    if _redact_bytes(together) == together:
        return headers
    return [(name, _redact_bytes(value)) for name, value in headers]


def _redact_bytes(piece: bytes) -> bytes:
    return redact(piece.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def _without_quote(body: bytes) -> bytes:
    """An error without the pieces that the SDK quotes of an unreadable message.

    They begin at the second line of its text.
    """
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        message = json.loads(body)
        message["error"]["message"] = message["error"]["message"].partition("\n")[0]
        return json.dumps(message, separators=(",", ":")).encode()
    return body
