"""Counts the round trips between a server and PostgreSQL, at the wire."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from postgres import PostgresServer

SYNC, QUERY, PARSE, BIND = b"S", b"Q", b"P", b"B"
"""Messages of a client. After each of the first two, it waits for the response."""


class RoundTrips:
    """What went to the database, a text for each round trip, in their order."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def clear(self) -> None:
        """Forget what was sent so far."""
        self.texts.clear()


class _Reader:
    """Reads what one connection sends."""

    def __init__(self, counted: RoundTrips) -> None:
        self._counted = counted
        self._unread = b""
        self._is_open = False
        self._prepared: dict[bytes, bytes] = {}
        self._statements: list[bytes] = []

    def read(self, data: bytes) -> None:
        self._unread += data
        while message := self._next():
            self._take(*message)

    def _next(self) -> tuple[bytes, bytes] | None:
        """A message, its kind first. The one that opens a connection has none."""
        start = 1 if self._is_open else 0
        if len(self._unread) < start + 4:
            return None
        (size,) = struct.unpack_from("!i", self._unread, start)
        if len(self._unread) < start + size:
            return None
        kind, body = self._unread[:start], self._unread[start + 4 : start + size]
        self._unread, self._is_open = self._unread[start + size :], True
        return kind or b"open", body

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == PARSE:
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = text
        elif kind == BIND:
            _, name, _ = body.split(b"\0", 2)
            self._statements.append(self._prepared[name])
        elif kind == QUERY:
            self._statements.append(body)
        if kind in {SYNC, QUERY}:
            self._counted.texts.append(b"; ".join(self._statements).decode())
            self._statements = []


@contextmanager
def counted(server: PostgresServer) -> Iterator[tuple[int, RoundTrips]]:
    """The port of a proxy in front of a server, and what goes through it."""
    trips = RoundTrips()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accept = threading.Thread(target=_accept, args=[listener, server.port, trips], daemon=True)
        accept.start()
        yield listener.getsockname()[1], trips
        listener.shutdown(socket.SHUT_RDWR)
        accept.join()


def _accept(listener: socket.socket, port: int, trips: RoundTrips) -> None:
    with suppress(OSError):  # the listener ends
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            reader = _Reader(trips)
            for ends in ((client, server, reader.read), (server, client, lambda _: None)):
                threading.Thread(target=_pass_on, args=ends, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, look: Callable[[bytes], object]) -> None:
    with suppress(OSError), target:
        while data := source.recv(65_536):
            look(data)
            target.sendall(data)
