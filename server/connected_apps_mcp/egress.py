"""Redacts everything that leaves the process. Only a secret that the caller asked for may leave."""

import logging
import re
import secrets
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from mcp import MCPError, types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import ValidationError

from connected_apps_tools.text.redaction import REDACTOR

from .callers import token_caller

logger = logging.getLogger(__name__)

AnyContext = ServerRequestContext[Mapping[str, Any], Any]

REVEALS = "connected-apps-mcp/reveals"
_TICKET = re.compile(rf'"{REVEALS}": ?"([0-9a-f]{{32}})"')

_revealed: dict[str, str] = {}


def reveal(secret: str) -> dict[str, Any]:
    """The `_meta` of the one result that may contain this secret, once."""
    ticket = secrets.token_hex(16)
    _revealed[ticket] = secret
    return {REVEALS: ticket}


def redact(message: str) -> str:
    """The message without secrets, except one that `reveal` allows in it.

    Every transport applies this last to everything it sends: results, errors, notifications and
    requests to the client.
    """
    if not REDACTOR.contains_secret(message):
        return message
    ticket = _TICKET.search(message)
    return REDACTOR.redact(message, allow=_revealed.pop(ticket[1], None) if ticket else None)


async def redact_errors(ctx: AnyContext, call_next: CallNext) -> HandlerResult:
    """Redact the errors of a request, as middleware of a server."""
    try:
        return await call_next(ctx)
    except MCPError as error:
        raise MCPError(
            code=error.code,
            message=REDACTOR.redact(error.message),
            data=REDACTOR.redact_json(error.data),
        ) from None
    except ValidationError:
        raise  # the SDK sends none of its text
    except Exception as error:  # noqa: BLE001 - in the handshake era the SDK would send its text
        logger.error("%s failed with %s", ctx.method, type(error).__name__)
        raise MCPError(code=types.INTERNAL_ERROR, message="Internal server error") from None


def redact_logs() -> None:
    """Redact log records, warnings and the traceback of a crash."""
    make = logging.getLogRecordFactory()

    def make_redacted(*args: object, **kwargs: object) -> logging.LogRecord:
        return _redact_record(make(*args, **kwargs))

    logging.setLogRecordFactory(make_redacted)
    logging.captureWarnings(capture=True)
    sys.excepthook = _report_crash


def _redact_record(record: logging.LogRecord) -> logging.LogRecord:
    """The record without secrets, and with the caller over HTTP that made the request."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - as logging does, whatever the arguments raise
        message = "A log record that cannot be formatted."
        record.msg, record.args = message, None
    if caller := token_caller():
        message = f"{message} ({caller})"
        record.msg, record.args = message, None
    redacted = REDACTOR.redact(message)
    if redacted != message:
        record.msg, record.args = redacted, None
    if record.exc_info and record.exc_info[0]:
        trace = "".join(traceback.format_exception(*record.exc_info))
        redacted = REDACTOR.redact(trace)
        if redacted != trace:
            record.exc_info, record.exc_text = None, redacted.rstrip()
    return record


def _report_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(REDACTOR.redact("".join(traceback.format_exception(kind, error, trace))))
