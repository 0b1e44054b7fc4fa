"""The audit log: calls that were made or were about to be made, in lines that prove their order.

`records` builds a line, `chain` ties lines together, `ledger`, `stream` and `table` write them, the
server calls `log`, `reading` reads lines, and `verify` finds tampering.
"""

from .ledger import Ledger
from .log import AuditFailed, AuditLog, Lines, OpenEntry
from .records import Outcome, PersonAnswer, RecordedCall, Software
from .stream import Stream

__all__ = [
    "AuditFailed",
    "AuditLog",
    "Ledger",
    "Lines",
    "OpenEntry",
    "Outcome",
    "PersonAnswer",
    "RecordedCall",
    "Software",
    "Stream",
]
