"""Receives notifications of the database, without a thread that waits for them."""

from collections.abc import Iterator

from psycopg.pq import ExecStatus

from connected_apps_tools.storage.errors import StoreError

from .connection import Connection
from .failures import explained


def listen(connection: Connection, channel: str) -> None:
    """Listen on a channel. Blocks.

    The methods of psycopg would keep notifications that come at once.

    Raises:
        StoreError: the database cannot be used.
    """
    with explained():
        result = connection.pgconn.exec_(f"LISTEN {channel}".encode())
    if result.status != ExecStatus.COMMAND_OK:
        raise StoreError("The database cannot be used: it does not let this server listen.")


def received(connection: Connection) -> Iterator[bytes]:
    """The texts of the notifications that are there. More come when its socket is readable.

    Raises:
        StoreError: the connection is lost.
    """
    with explained():
        connection.pgconn.consume_input()
        while notification := connection.pgconn.notifies():
            yield notification.extra
