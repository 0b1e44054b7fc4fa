"""HTTP/1.1 on the wire: what has no end, or what two readers could read differently, is refused."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest
from support import MODERN, listening

from connected_apps_mcp.limits import MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_PIPELINED

MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "prompts/list", "params": {"_meta": MODERN}}
BODY = json.dumps(MESSAGE).encode()
SIZED = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
CLOSE = b"Connection: close"
LONG = b"a" * MAX_HEAD_BYTES
FLOOD = b"a" * (1024 * 1024)
"""More than the server reads at once."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with listening("--transport", "http", "--sandbox") as urls:
        yield urlsplit(urls["http"]).netloc


def get(*headers: bytes, line: bytes = b"GET /healthz HTTP/1.1") -> bytes:
    """A request for the health, to the host HOST."""
    return b"\r\n".join([line, b"Host: HOST", *headers, b"", b""])


def post(*headers: bytes, body: bytes = BODY) -> bytes:
    """A message in the current era, to the host HOST."""
    lines = [b"POST /mcp HTTP/1.1", b"Host: HOST", b"Content-Type: application/json"]
    lines += [b"Accept: application/json, text/event-stream"]
    lines += [b"MCP-Protocol-Version: 2026-07-28", b"Mcp-Method: prompts/list"]
    return b"\r\n".join([*lines, *headers, b"", body])


def chunks(extension: bytes = b"", trailer: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), extension, BODY, trailer)


def statuses(address: str, *pieces: bytes) -> list[int]:
    """The statuses that come until the server closes the connection."""
    host, _, port = address.rpartition(":")
    received = b""
    with (
        socket.create_connection((host, int(port)), timeout=20) as connection,
        suppress(ConnectionError),  # the server may close before it has read everything
    ):
        for piece in pieces:
            connection.sendall(piece.replace(b"HOST", address.encode()))
        while part := connection.recv(65536):
            received += part
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


SERVED = {
    "a request without a body": get(CLOSE),
    "a body of a known length": post(SIZED, CLOSE),
    "a body in chunks": post(CHUNKED, CLOSE, body=chunks()),
    "chunks with extensions and trailers": post(
        CHUNKED, CLOSE, body=chunks(b";a=b", b"Mcp-Method: ping\r\n")
    ),
    "a value with spaces around it": get(b"Origin:  http://HOST \t", CLOSE),
    "HTTP/1.0": get(line=b"GET /healthz HTTP/1.0"),
    "a head just within the bound": get(b"X: " + LONG[1000:], CLOSE),
    "an offer to change the protocol": get(b"Connection: close, Upgrade", b"Upgrade: websocket"),
    "a body after an offer to change the protocol": post(
        b"Connection: close, Upgrade, HTTP2-Settings", b"Upgrade: h2c", SIZED
    ),
    "chunks after an offer to change the protocol": post(
        b"Connection: close, Upgrade", b"Upgrade: h2c", CHUNKED, body=chunks()
    ),
}


@pytest.mark.parametrize("request_", SERVED.values(), ids=SERVED)
def test_a_request_in_any_common_form_is_served(address: str, request_: bytes) -> None:
    assert statuses(address, request_) == [200]


REFUSED = {
    "a length and chunks": post(SIZED, CHUNKED, body=chunks()),
    "chunks and a length": post(CHUNKED, SIZED, body=chunks()),
    "two lengths": post(SIZED, b"Content-Length: 3"),
    "the same length twice": post(SIZED, SIZED),
    "a signed length": post(b"Content-Length: +3"),
    "a negative length": post(b"Content-Length: -3"),
    "a length of many digits": post(b"Content-Length: " + b"9" * 30),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=chunks()),
    "another coding before chunks": post(b"Transfer-Encoding: gzip, chunked", body=chunks()),
    "another coding after chunks": post(b"Transfer-Encoding: chunked, gzip", body=chunks()),
    "chunks twice": post(CHUNKED, CHUNKED, body=chunks()),
    "a coding on a line of its own": post(b"Transfer-Encoding:\r\n chunked", body=chunks()),
    "a folded header": get(b"X: one\r\n two"),
    "a fold before the first header": get(line=b"GET /healthz HTTP/1.1\r\n X: y"),
    "lines that end with LF": get().replace(b"\r\n", b"\n"),
    "one line that ends with LF": get(b"X: y\nZ: z"),
    "CR in a value": get(b"X: y\rZ: z"),
    "NUL in a value": get(b"X: y\0z"),
    "NUL in a name": get(b"X\0: y"),
    "a space before the colon": get(b"X : y"),
    "a space in a name": get(b"X Y: y"),
    "no name": get(b": y"),
    "no colon": get(b"X"),
    "a chunk of a negative size": post(CHUNKED, body=b"-1\r\n" + BODY),
    "a chunk of a huge size": post(CHUNKED, body=b"f" * 17 + b"\r\n" + BODY),
    "a chunk longer than its size": post(CHUNKED, body=chunks().replace(b"}\r\n0", b"}x\r\n0")),
    "two hosts": get(b"Host: HOST"),
    "another host": get(b"Host: evil.example"),
    "no host": get().replace(b"Host: HOST\r\n", b""),
    "a URL as the target": get(line=b"GET http://HOST/healthz HTTP/1.1"),
    "a foreign URL as the target": get(line=b"GET http://evil.example/healthz HTTP/1.1"),
    "a target without a slash": get(line=b"GET healthz HTTP/1.1"),
    "a fragment in the target": get(line=b"GET /healthz#x HTTP/1.1"),
    "a target with NUL": get(line=b"GET /healthz\0 HTTP/1.1"),
    "a space in the target": get(line=b"GET /health z HTTP/1.1"),
    "the server as the target": get(line=b"OPTIONS * HTTP/1.1"),
    "a tunnel": get(line=b"CONNECT evil.example:80 HTTP/1.1"),
    "no version": get(line=b"GET /healthz"),
    "an unknown version": get(line=b"GET /healthz HTTP/1.9"),
    "another version": get(line=b"GET /healthz HTTP/2.0"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_a_request_that_could_be_read_in_two_ways_is_refused(address: str, request_: bytes) -> None:
    assert statuses(address, request_) == [400]


ENDLESS = {
    "a method": [FLOOD],
    "a target": [b"GET /", FLOOD],
    "a name": [b"GET /healthz HTTP/1.1\r\n", FLOOD],
    "a value": [b"GET /healthz HTTP/1.1\r\nX: ", FLOOD],
    "headers": [b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n" * 100_000],
    "empty lines": [b"\r\n" * 500_000],
    "an extension of a chunk": [post(CHUNKED, body=b"5;"), FLOOD, FLOOD],
    "a trailer": [post(CHUNKED, body=chunks()[:-2]), b"X: ", FLOOD, FLOOD],
    "trailers": [post(CHUNKED, body=chunks()[:-2]), b"X: y\r\n" * 100_000],
}


@pytest.mark.parametrize("pieces", ENDLESS.values(), ids=ENDLESS)
def test_what_does_not_end_closes_the_connection(address: str, pieces: list[bytes]) -> None:
    assert statuses(address, *pieces) in [[], [400], [431]]


def test_a_head_beyond_the_bound_is_refused(address: str) -> None:
    assert statuses(address, get(b"X: " + LONG)) == [431]


def test_headers_in_the_trailer_change_nothing(address: str) -> None:
    trailer = b"Host: evil.example\r\nOrigin: http://evil.example\r\nMcp-Method: ping\r\n"
    assert statuses(address, post(CHUNKED, CLOSE, body=chunks(b"", trailer))) == [200]


def test_the_body_of_a_request_that_offers_another_protocol_is_no_request(address: str) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\n\r\n"
    offer = [b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(hidden)]
    assert statuses(address, post(*offer, body=b""), hidden, get(CLOSE)) == [400, 200]


def test_requests_sent_together_are_answered_in_order(address: str) -> None:
    missing = get(line=b"GET /none HTTP/1.1")
    together = get() + missing + post(SIZED) + missing + get(CLOSE)
    assert statuses(address, together) == [200, 404, 200, 404, 200]


def test_too_many_requests_sent_together_close_the_connection(address: str) -> None:
    assert statuses(address, get() * (2 * MAX_PIPELINED)) == [200] * (1 + MAX_PIPELINED)


def test_garbage_after_a_request_closes_the_connection_after_the_response(address: str) -> None:
    assert statuses(address, post(SIZED) + b"\0garbage\r\n\r\n") == [200]


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_a_request_on_one_connection_too_many_is_refused(address: str) -> None:
    with ExitStack() as others:
        for number in range(MAX_CONNECTIONS):
            if number == MAX_CONNECTIONS - 1:
                assert statuses(address, get(CLOSE)) == [200]
            other = others.enter_context(connect(address))
            other.sendall(get().replace(b"HOST", address.encode()))
            assert other.recv(65536).startswith(b"HTTP/1.1 200")
        assert statuses(address, get(CLOSE)) == [503]
    assert statuses(address, get(CLOSE)) == [200]


def test_connections_that_say_nothing_shut_no_caller_out(address: str) -> None:
    with ExitStack() as silent:
        for _ in range(MAX_CONNECTIONS + 20):
            silent.enter_context(connect(address))
        assert statuses(address, get(CLOSE)) == [200]
