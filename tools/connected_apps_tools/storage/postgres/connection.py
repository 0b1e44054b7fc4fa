"""Opens a connection to the database, and refuses a database that cannot do what is needed."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from connected_apps_tools.storage.errors import StoreError

from .failures import POOLER, connecting, explained, log_failure

Connection = psycopg.Connection[TupleRow]

OLDEST_SERVER = 14

PARAMETERS: Mapping[str, str] = {
    "application_name": "connected-apps-mcp",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "target_session_attrs": "read-write",
}
"""How to connect, unless the URL says otherwise. With several hosts it finds the primary."""

SETTINGS: Mapping[str, str] = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "idle_session_timeout": "0",  # it would end locks
    # The server then frees the locks of a machine that is gone.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""Settings of each session. A pooler would refuse them as parameters of the connection."""

DURABLE = sql.SQL("""
SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
""")
"""What has returned is on the disk, however the server is set up."""

POOLER_ATTEMPTS = 3
"""How often to look whether two connections share a session of the server."""


def connect(url: str, log: Callable[[str], object] = log_failure) -> Connection:
    """A connection on which each statement is a transaction of its own.

    Args:
        url: the database.
        log: takes the text of the library if it fails.

    Raises:
        StoreError: this is no URL of a database; or the database cannot be reached, is read-only
            or too old, or is behind a pooler in transaction mode.
    """
    connection = _open(url, log)
    try:
        with explained():
            _set_up(connection, url)
    except BaseException:
        connection.close()
        raise
    return connection


def password_of(url: str) -> str | None:
    """The password in a URL. Raises like `connect`."""
    return _parameters(url).get("password")


def _parameters(url: str) -> dict[str, str]:
    """What the URL of a database says. An error does not repeat it."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise StoreError("give a URL that begins with postgresql://")
    with suppress(psycopg.ProgrammingError):
        parameters = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        if not _holds_rest_of_password(parameters):
            return parameters
    raise StoreError(
        "the URL is malformed. Characters such as @ and / in a password are written %40 and %2F"
    )


def _holds_rest_of_password(parameters: Mapping[str, str]) -> bool:
    """Whether a password that was not encoded continues in the host or the port."""
    port = parameters.get("port", "").replace(",", "")
    return "@" in parameters.get("host", "") or bool(port and not port.isdecimal())


def _open(url: str, log: Callable[[str], object] = log_failure) -> Connection:
    parameters = {**PARAMETERS, **_parameters(url)}
    with connecting(log):
        return psycopg.connect(make_conninfo(**parameters), autocommit=True)


def _set_up(connection: Connection, url: str) -> None:
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise StoreError(
            f"The database cannot be used: it is PostgreSQL {version}, and {OLDEST_SERVER} is the "
            "oldest that works."
        )
    values = [
        sql.SQL("set_config({}, {}, false)").format(name, value) for name, value in SETTINGS.items()
    ]
    connection.execute(DURABLE + sql.SQL(", ").join(values))
    _refuse_transaction_pooler(connection, url)


def _refuse_transaction_pooler(connection: Connection, url: str) -> None:
    """Refuse a pooler that gives a session of the server to two connections by turns."""
    if _session_of(connection) == connection.info.backend_pid:
        return  # there is no pooler
    with _open(url) as other:
        for _ in range(POOLER_ATTEMPTS):
            if _session_of(connection) == _session_of(other):
                raise StoreError(f"The database cannot be used: {POOLER}")


def _session_of(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0
