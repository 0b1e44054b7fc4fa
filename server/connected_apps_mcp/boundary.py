"""The outermost edge: what leaves passes here, and no secret passes that was not asked for."""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from mcp import MCPError, types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import BaseModel, ValidationError

from connected_apps_tools.scrubber import SCRUBBER

logger = logging.getLogger(__name__)

AnyContext = ServerRequestContext[Mapping[str, Any], Any]

revealed: ContextVar[str | None] = ContextVar("revealed", default=None)
"""The secret that the answer under way was asked for; it alone may pass, in this answer only."""


async def scrub_answers(ctx: AnyContext, call_next: CallNext) -> HandlerResult:
    """Take every secret out of what a request is answered with, as the outermost middleware."""
    _refuse_secret_name(ctx)
    try:
        result = await call_next(ctx)
    except MCPError as error:
        told = error.error
        raise MCPError(
            code=told.code,
            message=SCRUBBER.text(told.message),
            data=SCRUBBER.value(told.data),
        ) from None
    except ValidationError:
        raise  # the SDK tells nothing of it
    except Exception as error:  # noqa: BLE001 - in the handshake era the SDK would tell its text
        logger.error("%s failed with %s", ctx.method, type(error).__name__)
        raise MCPError(code=types.INTERNAL_ERROR, message="Internal server error") from None
    if isinstance(result, BaseModel):
        result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    if result is None or not SCRUBBER.finds(json.dumps(result)):
        return result
    return SCRUBBER.value(result, but=revealed.get())  # type: ignore[no-any-return]


def _refuse_secret_name(ctx: AnyContext) -> None:
    """Keep a secret out of the name of a span: tracing takes it from the request."""
    name = (ctx.params or {}).get("name")
    if SCRUBBER.value(name) != name:
        raise MCPError(code=types.INVALID_PARAMS, message="There is no such name.")


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
    clean = SCRUBBER.text(message)
    if clean != message:
        record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[0]:
        told = "".join(traceback.format_exception(*record.exc_info))
        clean = SCRUBBER.text(told)
        if clean != told:
            record.exc_info, record.exc_text = None, clean.rstrip()
    return record


def _report_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(SCRUBBER.text("".join(traceback.format_exception(kind, error, trace))))
