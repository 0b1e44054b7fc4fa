"""The audit log: calls that were made or were about to be made, in lines that prove their order.

`records` builds a line, `chain` ties lines together, `ledger` and `stream` write them, the server
calls `log`, and `verify` finds tampering.
"""

from .ledger import Ledger
from .log import AuditFailed, AuditLog, OpenEntry
from .records import Outcome, PersonAnswer, RecordedCall, Software
from .stream import Stream

__all__ = [
    "AuditFailed",
    "AuditLog",
    "Ledger",
    "OpenEntry",
    "Outcome",
    "PersonAnswer",
    "RecordedCall",
    "Software",
    "Stream",
]
