"""The audit log: what was done, or was about to be done, by whom, in lines that prove their order.

`records` is what a line says, `chain` how lines are tied together, `ledger` and `stream` where they
go, `log` what the server calls, and `verify` how tampering is found.
"""

from .ledger import Ledger
from .log import AuditFailed, AuditLog, OpenEntry
from .records import Caller, Outcome, PersonAnswer, RecordedCall, Software
from .stream import Stream

__all__ = [
    "AuditFailed",
    "AuditLog",
    "Caller",
    "Ledger",
    "OpenEntry",
    "Outcome",
    "PersonAnswer",
    "RecordedCall",
    "Software",
    "Stream",
]
