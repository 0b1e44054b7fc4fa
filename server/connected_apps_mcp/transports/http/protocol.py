"""HTTP/1.1 on the wire, within bounds on heads and on requests that wait.

httptools parses. It refuses messages that two readers could split in different places, and leaves
the bounds to its user.
"""

import asyncio
from http import HTTPStatus
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from connected_apps_mcp.limits import (
    HEADER_SECONDS,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
)

from .network import SECURITY_HEADERS

FRAMING = {b"content-length", b"transfer-encoding"}
"""The headers that say where a body ends."""

LINE_BYTES = 4
"""Bytes of a header line around its name and value."""

TOO_LARGE = "The head of the request is too large."

REFUSAL_HEADERS = b"".join(
    b"%b: %b\r\n" % header
    for header in {
        b"content-type": b"text/plain; charset=utf-8",
        b"connection": b"close",
        **SECURITY_HEADERS,
    }.items()
)
"""Headers of every response that no application makes."""


class _Refused(Exception):
    """A request that is not served."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status = status
        self.why = why


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on the size and the time of a head, and on requests that wait."""

    _silent: ClassVar[dict["BoundedProtocol", None]] = {}
    """The connections without a request so far, of all ports, in the order in which they came."""
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    """Whether a head has begun and is not complete."""
    _head_bytes = 0
    """Size of the head so far, and of the trailers after a body."""
    _unread_bytes = 0
    """Bytes since the parser last gave a piece: it keeps them until a line is complete."""
    _skipping = False
    """Whether the parser reads a head a second time."""

    # As in uvicorn: the transport of a connection is always one for both directions.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request.

        Where there are too many connections, the one that has sent no request for longest goes:
        silent strangers shut no caller out.
        """
        super().connection_made(transport)
        self._start_timer()
        longest = next((each for each in self._silent if each in self.connections), None)
        self._silent[self] = None
        if longest and len(self.connections) > MAX_CONNECTIONS:
            longest.transport.close()
            self.connections.discard(longest)
            self._silent.pop(longest)

    def data_received(self, data: bytes) -> None:
        """Parse. Run the timer while a head arrives, and stop it while a request is served."""
        self._unset_keepalive_if_required()
        self._unread_bytes += len(data)
        try:
            self._parse(data)
        except _Refused as refused:
            self._refuse(refused)
        if self.cycle and not self.cycle.response_complete:
            self._stop_timer()
        elif self._timer is None:
            self._start_timer()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            reason = error.__context__
            if isinstance(reason, _Refused):
                raise reason from None
            invalid = "Invalid HTTP request received."
            raise _Refused(HTTPStatus.BAD_REQUEST, invalid) from None
        if self._unread_bytes > MAX_HEAD_BYTES:
            raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)

    def _decline(self, rest: bytes) -> None:
        """Serve a request that offers to change the protocol as if it did not.

        The parser leaves the body of such a request unread: another one needs a head without the
        offer.
        """
        framing = [b"%b: %b\r\n" % line for line in self.headers if line[0] in FRAMING]
        self.parser = httptools.HttpRequestParser(self)
        self._skipping = True
        self._parse(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))
        self._skipping = False
        self._parse(rest)

    def _refuse(self, refused: _Refused) -> None:
        """Refuse what came and close, after the responses to the requests before it."""
        self.logger.warning(refused.why)
        cycle = self.cycle
        if cycle and not cycle.response_complete:
            if not cycle.more_body:  # the request itself is whole
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        self.transport.write(_refusal(refused))
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a head."""
        if not self._skipping:
            super().on_message_begin()
            self._in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target."""
        self._count(len(url))
        if not self._skipping:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. A trailer is ignored: what a request says is in its head."""
        self._count(len(name) + len(value) + LINE_BYTES)
        if self._in_head:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Begin to serve the request, or refuse it."""
        if self._skipping:
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests wait.")
        # The bound of uvicorn would also count requests that have just ended.
        if len(self.connections) > MAX_CONNECTIONS:
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many open connections.")
        self._check_head()
        self._silent.pop(self, None)
        super().on_headers_complete()
        self._in_head = False

    def _check_head(self) -> None:
        """Refuse what the parser lets through, and what could be read in two ways."""
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:
            raise _Refused(HTTPStatus.BAD_REQUEST, "The version is not HTTP/1.1.")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and version == "1.1"):
            raise _Refused(HTTPStatus.BAD_REQUEST, "The request needs one Host header.")
        if not self.url.startswith(b"/") or b"#" in self.url:
            raise _Refused(HTTPStatus.BAD_REQUEST, "The target of the request is not a path.")
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if any(coding.lower() != b"chunked" for coding in codings):
            raise _Refused(HTTPStatus.BAD_REQUEST, "The only transfer coding is chunked.")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request. One that offers another protocol has its body still to come."""
        self._unread_bytes = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timer if the next head has started to arrive; else keep-alive has its own."""
        super().on_response_complete()
        if self._in_head:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        self._silent.pop(self, None)
        super().connection_lost(exc)

    def _count(self, size: int) -> None:
        self._unread_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _refusal(refused: _Refused) -> bytes:
    body = refused.why.encode()
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (
        STATUS_LINE[refused.status],
        REFUSAL_HEADERS,
        len(body),
        body,
    )
