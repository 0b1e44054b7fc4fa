"""Sends the records of the log, as standard error gets them."""

import logging
from functools import cache

from opentelemetry._logs import LoggerProvider, SeverityNumber

SEVERITIES = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}

SENDERS = ("opentelemetry", "requests", "urllib3")
"""Loggers of what sends the records: a failure would send more of them."""


class LogSender(logging.Handler):
    """Sends each record, with the trace that it belongs to, without its traceback."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._logger_of = cache(provider.get_logger)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record. It is redacted when it is made."""
        if record.name.partition(".")[0] in SENDERS:
            return
        failure = record.exc_info and record.exc_info[0]
        self._logger_of(record.name).emit(
            timestamp=int(record.created * 1e9),
            severity_number=SEVERITIES.get(record.levelno, SeverityNumber.UNSPECIFIED),
            severity_text=record.levelname,
            body=record.getMessage(),
            attributes={"exception.type": failure.__name__} if failure else {},
        )
