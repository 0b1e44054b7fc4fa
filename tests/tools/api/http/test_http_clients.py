"""A direct connection and a transport of httpx2 do the same, over real sockets."""

import gzip
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from tools.api.bodies import FOUND

from connected_apps_tools import errors
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.http.http_client import MAX_RESPONSE_BYTES
from connected_apps_tools.api.models import CreateApp
from connected_apps_tools.api.service import Credentials

CREDENTIALS = Credentials("project-test-1", SecretStr("secret-test-2222"))

BODY = json.dumps(FOUND).encode()
ZIPPED = gzip.compress(BODY)


def response(body: bytes = BODY, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

SAID: dict[str, bytes] = {
    "a response": response(),
    "a response in chunks": CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a response until the end": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "a response of HTTP/1.0": response().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "an interim response first": b"HTTP/1.1 100 Continue\r\n\r\n" + response(),
    "a compressed response": response(ZIPPED, "Content-Encoding: gzip"),
    "a long header": response(BODY, f"X-Policy: {'a' * 20_000}"),
    "a cookie": response(BODY, "Set-Cookie: a=b; Path=/"),
    "a redirect": response(b"", "Location: http://127.0.0.1:1/", status="302 Found"),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "an error": response(b"{}", status="500 Internal Server Error"),
    "a page of a proxy": response(b"<html>", status="404 Not Found"),
    "a body that is no gzip": response(b"no", "Content-Encoding: gzip"),
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": response()[:-10],
    "half a chunk": CHUNKED + b"ff\r\n{",
    "no size of a chunk": CHUNKED + b"zz\r\n{",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a malformed header": b"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
}
"""What a server may send to a request before it closes the connection."""

READS_AS_AN_APP = list(SAID)[:8]


class RawServer:
    """Answers the requests of all connections with these bytes in turn, the last one again.

    After bytes that are no whole response it closes the connection.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while request := self._request(connection):
                self.requests.append(request)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:  # closing resets the connection
                    connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    return
                connection.sendall(answer)
                if answer != response():
                    return

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        """A request, whole: an unread rest would reset the connection."""
        received = b""
        while more := connection.recv(65536):
            received += more
            head, end, body = received.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if end and len(body) >= int(length[1] if length else 0):
                break
        return received


@pytest.fixture
def server() -> Iterator[Callable[..., RawServer]]:
    started: list[RawServer] = []

    def start(*answers: bytes | None) -> RawServer:
        started.append(RawServer(*answers))
        return started[-1]

    yield start
    for each in started:
        each.close()


Opened = Callable[[RawServer], ConnectedAppsClient]


def direct(server: RawServer, **options: Any) -> ConnectedAppsClient:
    return ConnectedAppsClient(CREDENTIALS, base_url=server.url, **options)


def through_httpx2(server: RawServer) -> ConnectedAppsClient:
    return direct(server, transport=httpx2.AsyncHTTPTransport())


WAYS = pytest.mark.parametrize("way", [direct, through_httpx2])


async def outcome_of(api: ConnectedAppsClient) -> tuple[object, ...]:
    """What a create ends with: it is repeated only if it was certainly not done."""
    async with api:
        try:
            return ((await api.create(CreateApp(client_type="first_party"))).connected_app,)
        except errors.ConnectedAppsError as error:
            return type(error), str(error), error.hint, error.may_have_taken_effect, error.transient


@pytest.mark.parametrize("said", SAID)
async def test_both_ways_understand_the_same(said: str, server: Callable[..., RawServer]) -> None:
    first, second = server(SAID[said]), server(SAID[said])
    assert await outcome_of(direct(first)) == await outcome_of(through_httpx2(second))
    assert len(first.requests) == len(second.requests)


@WAYS
@pytest.mark.parametrize("said", READS_AS_AN_APP)
async def test_every_form_of_a_response_is_read(
    said: str, way: Opened, server: Callable[..., RawServer]
) -> None:
    async with way(server(SAID[said])) as api:
        assert (await api.get("app")).connected_app.client_id == "app"


@WAYS
async def test_a_connection_that_is_reset_may_have_taken_effect(
    way: Opened, server: Callable[..., RawServer]
) -> None:
    kind, text, _, may_have_taken_effect, _ = await outcome_of(way(server(None)))
    assert kind is errors.NoAnswer
    assert "the connection broke" in str(text)
    assert may_have_taken_effect


@WAYS
async def test_a_delete_on_a_used_connection_that_breaks_counts_as_done_if_the_app_is_gone(
    way: Opened, server: Callable[..., RawServer]
) -> None:
    gone = {"status_code": 404, "error_type": "connected_app_not_found", "error_message": "No."}
    missing = response(json.dumps(gone).encode(), status="404 Not Found")
    async with way(server(response(), b"", missing)) as api:
        await api.get("app")
        assert await api.delete("app") is None


@WAYS
async def test_a_create_on_a_used_connection_that_breaks_is_not_repeated(
    way: Opened, server: Callable[..., RawServer]
) -> None:
    there = server(response(), b"", response())
    async with way(there) as api:
        await api.get("app")
        with pytest.raises(errors.NoAnswer):
            await api.create(CreateApp(client_type="first_party"))
    assert len(there.requests) == 2


@WAYS
async def test_a_connection_is_used_again(way: Opened, server: Callable[..., RawServer]) -> None:
    there = server(response())
    async with way(there) as api:
        for _ in range(3):
            await api.get("app")
    assert (len(there.requests), there.connections) == (3, 1)


@WAYS
async def test_a_redirect_is_not_followed(way: Opened, server: Callable[..., RawServer]) -> None:
    elsewhere = server(response())
    moved = response(b"", f"Location: {elsewhere.url}/", status="302 Found")
    async with way(server(moved)) as api:
        with pytest.raises(errors.ConnectedAppsError):
            await api.get("app")
    assert elsewhere.connections == 0


@WAYS
async def test_cookies_are_not_sent_back(way: Opened, server: Callable[..., RawServer]) -> None:
    there = server(SAID["a cookie"])
    async with way(there) as api:
        await api.get("app")
        await api.get("app")
    assert b"cookie" not in there.requests[1].lower()


@WAYS
async def test_a_request_says_how_it_may_be_answered(
    way: Opened, server: Callable[..., RawServer]
) -> None:
    there = server(response())
    async with way(there) as api:
        await api.create(CreateApp(client_type="first_party"))
    head = there.requests[0].lower()
    for header in (
        b"host: 127.0.0.1",
        b"accept-encoding: gzip, deflate\r\n",
        b"user-agent: connected-apps-mcp\r\n",
        b"content-type: application/json\r\n",
        b"authorization: basic ",
    ):
        assert head.count(header) == 1, header


@WAYS
async def test_a_form_has_the_credentials_of_the_app_and_none_of_the_project(
    way: Opened, server: Callable[..., RawServer]
) -> None:
    there = server(response(b'{"active": false}'))
    async with way(there) as api:
        assert await api.accepts("app", SecretStr("a secret & more = 1"))
    head, _, body = there.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/public/project-test-1/oauth2/introspect HTTP/1.1\r\n")
    assert b"content-type: application/x-www-form-urlencoded\r\n" in head.lower() + b"\r\n"
    assert b"authorization" not in head.lower()
    form = {name: values for name, values in parse_qs(body.decode()).items() if name != "token"}
    assert form == {"client_id": ["app"], "client_secret": ["a secret & more = 1"]}


@WAYS
async def test_an_endless_response_is_refused(
    way: Opened, server: Callable[..., RawServer]
) -> None:
    zeros = gzip.compress(b"0" * (MAX_RESPONSE_BYTES + 1))
    async with way(server(response(zeros, "Content-Encoding: gzip"))) as api:
        with pytest.raises(errors.UnexpectedAnswer, match="larger than"):
            await api.get("app")


@pytest.mark.parametrize("calls", [128, 512])
async def test_hundreds_of_calls_at_once_are_all_answered(calls: int) -> None:
    async def answer(reader: anyio.abc.SocketStream) -> None:
        async with reader:
            while True:
                try:
                    await reader.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return
                await anyio.sleep(0.05)
                await reader.send(response())

    answered = 0

    async def call(api: ConnectedAppsClient) -> None:
        nonlocal answered
        await api.get("app")
        answered += 1

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django
        async with anyio.create_task_group() as serving:
            serving.start_soon(listener.serve, answer)
            api = ConnectedAppsClient(CREDENTIALS, base_url=f"http://127.0.0.1:{port}")
            async with api, anyio.create_task_group() as calling:
                for _ in range(calls):
                    calling.start_soon(call, api)
            serving.cancel_scope.cancel()
    assert answered == calls
