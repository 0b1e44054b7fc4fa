"""The outermost edge: what leaves passes here, and no secret passes that was not asked for."""

import json
import logging
import re
import secrets
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from mcp import MCPError, types
from mcp.server import Server
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import ValidationError

from connected_apps_tools.text.redaction import REDACTOR

logger = logging.getLogger(__name__)

AnyContext = ServerRequestContext[Mapping[str, Any], Any]

REVEALS = "connected-apps-mcp/reveals"
_TICKET = re.compile(rf'"{REVEALS}": ?"([0-9a-f]{{32}})"')

_asked_for: dict[str, str] = {}


def reveal(secret: str) -> dict[str, Any]:
    """The `_meta` of the one answer in which this secret may leave, once."""
    ticket = secrets.token_hex(16)
    _asked_for[ticket] = secret
    return {REVEALS: ticket}


def redact(message: str) -> str:
    """A message as it may leave: without any secret but the one that it was asked for.

    Every transport passes everything that it sends through this, as the last thing before the wire:
    answers, errors, notifications, and requests to the client.
    """
    if not REDACTOR.contains_secret(message):
        return message
    ticket = _TICKET.search(message)
    return REDACTOR.redact(message, allow=_asked_for.pop(ticket[1], None) if ticket else None)


def guard_traces(server: Server[Any]) -> None:
    """Take every secret out of the spans, which hold what identifies a request, and errors."""
    server.middleware.insert(0, _clean_request)
    server.middleware.append(_clean_error)


async def _clean_request(ctx: AnyContext, call_next: CallNext) -> HandlerResult:
    params = ctx.params or {}
    traced = [ctx.method, ctx.request_id, params.get("name"), ctx.meta]
    if not REDACTOR.contains_secret(json.dumps(traced, default=str)):
        return await call_next(ctx)
    method, request_id, name, meta = REDACTOR.redact_json(traced)
    named = {"name": name} if "name" in params else {}
    return await call_next(
        replace(ctx, method=method, request_id=request_id, params={**params, **named}, meta=meta)
    )


async def _clean_error(ctx: AnyContext, call_next: CallNext) -> HandlerResult:
    try:
        return await call_next(ctx)
    except MCPError as error:
        told = error.error
        raise MCPError(
            code=told.code,
            message=REDACTOR.redact(told.message),
            data=REDACTOR.redact_json(told.data),
        ) from None
    except ValidationError:
        raise  # the SDK tells nothing of it
    except Exception as error:  # noqa: BLE001 - in the handshake era the SDK would tell its text
        logger.error("%s failed with %s", ctx.method, type(error).__name__)
        raise MCPError(code=types.INTERNAL_ERROR, message="Internal server error") from None


def guard_logs() -> None:
    """Take every secret out of log records, warnings and the traceback of a crash."""
    make = logging.getLogRecordFactory()

    def make_clean(*args: object, **kwargs: object) -> logging.LogRecord:
        return _clean(make(*args, **kwargs))

    logging.setLogRecordFactory(make_clean)
    logging.captureWarnings(capture=True)
    sys.excepthook = _report_crash


def _clean(record: logging.LogRecord) -> logging.LogRecord:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - logging would report whatever breaks, and go on
        message = "A log record that cannot be formatted."
        record.msg, record.args = message, None
    redact = REDACTOR.redact(message)
    if redact != message:
        record.msg, record.args = redact, None
    if record.exc_info and record.exc_info[0]:
        told = "".join(traceback.format_exception(*record.exc_info))
        redact = REDACTOR.redact(told)
        if redact != told:
            record.exc_info, record.exc_text = None, redact.rstrip()
    return record


def _report_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(REDACTOR.redact("".join(traceback.format_exception(kind, error, trace))))
