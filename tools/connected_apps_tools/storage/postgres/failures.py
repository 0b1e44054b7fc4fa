"""Says what is wrong with the database, without a text of the server or of the library.

A failed connection has no code, only a text. Where it is not in English, the cause stays general.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg

from connected_apps_tools.storage.errors import StoreError

logger = logging.getLogger(__name__)

MIGRATE = "Run connected-apps-mcp database migrate."

READ_ONLY = "it is a read-only standby. Give the address of the primary."
STARTING = "it is starting or shutting down. Try again in a moment."
FULL = "it has no disk space left."
CROWDED = "it has no connection free."
WRONG_LOGIN = "it refuses the role or its password. Correct CONNECTED_APPS_MCP_DATABASE_URL."
UNKNOWN = "there is no such database or role. Correct CONNECTED_APPS_MCP_DATABASE_URL."
UNREACHABLE = "it cannot be reached."
LOST = "the connection was lost."
NO_TLS = "it cannot be reached by TLS. Correct sslmode or sslrootcert in its URL."
LATE = "it did not answer in time."
FORBIDDEN = (
    "its role lacks a right. Run connected-apps-mcp database migrate --server-role ROLE, with the "
    "URL of the role that owns the tables."
)
NO_SCHEMA = f"it has no tables of this program. {MIGRATE}"
POOLER = (
    "a pooler in transaction mode is in front of it, where locks and notifications are lost. Give "
    "the address of the database itself."
)

BY_TEXT: Mapping[str, str] = {
    "read-only": READ_ONLY,
    "hot standby": READ_ONLY,
    "password": WRONG_LOGIN,
    "authentication failed": WRONG_LOGIN,
    "pg_hba.conf": WRONG_LOGIN,
    "certificate": NO_TLS,
    "ssl error": NO_TLS,
    "not support ssl": NO_TLS,
    "does not exist": UNKNOWN,
    "too many": CROWDED,
    "connection slots": CROWDED,
    "starting up": STARTING,
    "shutting down": STARTING,
    "recovery mode": STARTING,
    "pooling": POOLER,
}
"""What words in the text of a failed connection mean. The first that fits counts."""

BY_CODE: Mapping[str, str] = {
    "25006": READ_ONLY,
    "25P03": LOST,  # it paused within a transaction
    "26000": POOLER,  # a prepared statement that another connection has
    "28": WRONG_LOGIN,
    "3D000": UNKNOWN,
    "3F000": NO_SCHEMA,
    "42P01": NO_SCHEMA,
    "42501": FORBIDDEN,
    "53100": FULL,
    "53300": CROWDED,
    "55P03": LATE,
    "57014": LATE,
    "57P": STARTING,
    "08": LOST,
}
"""What the code of an error means, or its first characters."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn an error of the database into a `StoreError`."""
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(f"The database cannot be used: {_cause(error)}") from None


def log_failure(text: str) -> None:
    """Log the text of the library about a failed connection, which no caller gets."""
    logger.warning("The database: %s", text)


@contextmanager
def connecting(log: Callable[[str], object]) -> Iterator[None]:
    """The same for a connection that is being opened. The log has the text of the library."""
    try:
        yield
    except psycopg.Error as error:
        log(str(error))
        text = str(error).casefold()
        cause = next((means for words, means in BY_TEXT.items() if words in text), UNREACHABLE)
        raise StoreError(f"The database cannot be used: {cause}") from None


def _cause(error: psycopg.Error) -> str:
    code = error.sqlstate
    if code is None:
        return LOST if isinstance(error, psycopg.OperationalError) else "it failed unexpectedly."
    found = next((means for start, means in BY_CODE.items() if code.startswith(start)), None)
    return found or f"it failed unexpectedly (SQLSTATE {code})."
