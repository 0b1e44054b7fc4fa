"""The database, through a few connections that its users share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from connected_apps_tools import observing
from connected_apps_tools.storage.errors import StoreError

from .connection import Connection, connect
from .failures import explained, log_failure
from .schema import require_fitting

SIZE = 8
"""Most connections that are shared. Each lock, and each listener, has one of its own."""

WAIT_SECONDS = 10.0
"""How long to wait for a connection that others use."""


class Database:
    """The database. The first use connects, leaving the context disconnects.

    Every method blocks, and raises `StoreError`.

    After an outage it works again: each use of a lost connection opens another. `psycopg_pool`
    would wait for its timeout before each error, and not say why.
    """

    def __init__(self, url: str, size: int = SIZE) -> None:
        """Use the database of a URL, which may have a password."""
        self._url = url
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[Connection] = []
        self._closed = False
        self._failure = ""
        """Why the last attempt to connect failed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Prove that the database can be used."""
        with self.connection() as connection:
            connection.execute("SELECT 1")

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection, for some statements. Each is a transaction, but in `transaction()`."""
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise StoreError("The database cannot be used: all connections to it are in use.")
        try:
            connection = self._idle_connection() or self.own_connection()
            try:
                with observing.act("database_connection"), explained():
                    yield connection
            finally:
                self._put_back(connection)
        finally:
            self._free.release()

    def own_connection(self) -> Connection:
        """A connection for the caller alone, who closes it. Locks and listeners end with it."""
        connection = connect(self._url, self._log_failure)
        try:
            with explained():
                require_fitting(connection)
        except BaseException:
            connection.close()
            raise
        self._failure = ""
        return connection

    def close(self) -> None:
        """Close the connections. Those in use are closed when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _log_failure(self, text: str) -> None:
        """Log a failure once, and not at each attempt of an outage."""
        if text != self._failure:
            self._failure = text
            log_failure(text)

    def _idle_connection(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if is_open(connection):
                return connection
            connection.close()

    def _put_back(self, connection: Connection) -> None:
        unused = connection.info.transaction_status == TransactionStatus.IDLE
        if unused and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()


def is_open(connection: Connection) -> bool:
    """Whether the server has not closed an idle connection. This asks it nothing."""
    try:
        for _ in range(2):  # its last words, then the end
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return connection.pgconn.status == ConnStatus.OK
