"""The records that the lines of the audit log hold."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from connected_apps_mcp.callers import Caller
from connected_apps_tools.text.redaction import REDACTOR

from .chain import INTENT, AuditRecord, now

MAX_RECORDED_TEXT = 1_000
"""Record up to so many characters of a text. A longer text is cut and gets a digest."""

MAX_RECORDED_ARGUMENTS = 20_000
"""Record up to so many characters of the arguments of a call, as JSON."""

PersonAnswer = Literal["accept", "decline", "cancel", "approve"]
"""The answer of a person: an action of MCP's elicitation, or `approve` at a terminal."""


@dataclass(frozen=True)
class Software:
    """The name and version that the client claims."""

    name: str
    version: str | None = None


@dataclass(frozen=True)
class RecordedCall:
    """A call as it is recorded.

    Attributes:
        answer: the answer of a person; None where nobody was asked.
        part_of: the entry of the call that this one is a part of.
    """

    tool: str
    arguments: Mapping[str, Any]
    project_id: str
    caller: Caller
    software: Software | None = None
    answer: PersonAnswer | None = None
    part_of: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes:
        error: the name of the error; None if the call succeeded.
        may_have_taken_effect: whether the service may have carried it out despite the error.
        request_id: the service's id of its request.
        revealed: the secret that was shown, or its last four characters: no more is recorded.
        delivered: the last four characters of the secret that was delivered.
    """

    error: str | None = None
    may_have_taken_effect: bool = False
    request_id: str | None = None
    revealed: str | None = field(default=None, repr=False)
    delivered: str | None = None


def intent(entry_id: str, call: RecordedCall) -> AuditRecord:
    """A call that is about to be made."""
    return _record(INTENT, entry_id, **_of_call(call))


def refusal(entry_id: str, call: RecordedCall, reason: str) -> AuditRecord:
    """A refused call, and the reason."""
    return _record("refusal", entry_id, **_of_call(call), reason=reason)


def refusals(counts: Mapping[str, int]) -> AuditRecord:
    """How many more calls were refused, by tool."""
    return {"time": now(), "event": "refusals", "count": sum(counts.values()), "tools": counts}


def outcome(entry_id: str, tool: str, ended: Outcome, duration_ms: int) -> AuditRecord:
    """How a call ended."""
    return _record(
        "outcome",
        entry_id,
        tool=tool,
        ok=ended.error is None,
        error=ended.error,
        may_have_taken_effect=ended.may_have_taken_effect or None,
        request_id=ended.request_id,
        revealed=ended.revealed and f"…{ended.revealed[-4:]}",
        delivered=ended.delivered and f"…{ended.delivered}",
        duration_ms=duration_ms,
    )


def _of_call(call: RecordedCall) -> AuditRecord:
    return {
        "tool": call.tool,
        "project_id": call.project_id,
        "caller": call.caller.recorded(),
        "software": call.software and _present(vars(call.software)),
        "answer": call.answer,
        "part_of": call.part_of,
        "arguments": dict(call.arguments),
    }


def _record(event: str, entry_id: str, **fields: Any) -> AuditRecord:  # noqa: ANN401 - any JSON
    record: AuditRecord = _bounded(REDACTOR.redact_json(_present(fields), last_four=True))
    if "arguments" in record:
        record["arguments"] = _small(record["arguments"])
    return {"time": now(), "event": event, "entry": entry_id, **record}


def _present(fields: Mapping[str, Any]) -> AuditRecord:
    return {name: value for name, value in fields.items() if value is not None}


def _bounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case str() if len(value) > MAX_RECORDED_TEXT:
            return _cut(value)
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {name[:MAX_RECORDED_TEXT]: _bounded(each) for name, each in value.items()}
        case list():
            return [_bounded(each) for each in value]
        case _:
            return value


def _small(arguments: AuditRecord) -> AuditRecord:
    text = json.dumps(arguments)
    return arguments if len(text) <= MAX_RECORDED_ARGUMENTS else _cut(text)


def _cut(text: str) -> AuditRecord:
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return {"cut": text[:MAX_RECORDED_TEXT], "characters": len(text), "sha256": digest}
