"""The calls that wait for approval at a terminal, and the answers that were used.

All processes that share the state share these records, so an approval or an answer counts once,
in whichever process. The methods block, and raise `StoreError`.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any, Literal, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connected_apps_mcp.callers import Caller
from connected_apps_tools.safety.question import Question
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import Records
from connected_apps_tools.text.redaction import REDACTOR

LIFETIME = timedelta(minutes=10)
"""Time after which a question, a pending call and an approval expire."""

MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
"""How far the clocks of two machines may differ."""

KIND = "confirmations"
"""The kind of these records."""

MAX_WAITING = 500
"""Most calls that wait at a time."""

MAX_OF_ONE_APP = 10
"""Most calls of one caller on one app that wait at a time. A new one replaces the oldest."""

MAX_PENDING_ARGUMENTS = 256 * 1024
"""Most characters of the arguments of a pending call, as JSON."""

IDENTITY = ".identity"
USED_ANSWER = "spent-"
"""Prefix of the file that marks an answer as used."""

EnvironmentName = Literal["sandbox", "test", "live"]


def _now() -> datetime:
    return datetime.now(UTC)


class ProjectLabel(NamedTuple):
    """The project of a call."""

    project_id: str
    environment: EnvironmentName

    def __str__(self) -> str:
        """The project, for a person."""
        return f"{self.project_id} ({self.environment})"


class PendingCall(BaseModel):
    """A call that waits for approval, or is approved.

    Attributes:
        id: a digest of 256 bits, of the caller, the call and the state of the app.
        caller: the caller, as the audit log names it but for the token: an approval is for this
            caller alone.
        state: the state of the app when the question was made.
        since: when the call began to wait, or was approved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    project_id: str
    environment: EnvironmentName
    caller: dict[str, str]
    tool: str
    arguments: dict[str, Any]
    state: str
    question: str
    since: AwareDatetime = Field(default_factory=_now)
    approved: bool = False

    @classmethod
    def of(
        cls,
        project: ProjectLabel,
        caller: Caller,
        call: tuple[str, dict[str, Any]],
        question: Question,
    ) -> Self:
        """The caller's call of a tool with exactly these arguments, on the app as it is now."""
        tool, arguments = call
        exactly = json.dumps(
            [*project, caller.identity, tool, arguments, question.state], sort_keys=True
        )
        return cls(
            id=sha256(exactly.encode()).hexdigest(),
            project_id=project.project_id,
            environment=project.environment,
            caller=caller.named(),
            tool=tool,
            arguments=REDACTOR.redact_json(arguments),
            state=question.state,
            question=REDACTOR.redact(question.text(str(project))),
        )

    def same_call(self, other: "PendingCall") -> bool:
        """Whether both are the same call in every part, not by their id alone."""
        own = {"since", "approved"}
        return self.model_dump(exclude=own) == other.model_dump(exclude=own)

    @property
    def subject(self) -> str:
        """The app of the call, or the tool where the arguments name no app."""
        return str(self.arguments.get("client_id", self.tool))

    @property
    def group(self) -> tuple[str, ...]:
        """The calls that share a bound: of one caller, on one app."""
        return (self.subject, *self.caller.values())


class Approvals:
    """The pending calls, the approved calls, and the answers that were used."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._seen: dict[str, tuple[datetime | None, float]] = {}
        """When this process first saw a file in its present form, on a clock that never jumps."""

    @property
    def place(self) -> str:
        """Where a person finds them."""
        return self._records.place

    def __iter__(self) -> Iterator[PendingCall]:
        """The pending and the approved calls. Reading removes the expired ones."""
        for name in self._names():
            if not name.startswith(USED_ANSWER) and (call := self._read(name)):
                yield call

    def look(self) -> Iterator[tuple[PendingCall, bool]]:
        """Like iterating, but it removes nothing: each call, and whether it has expired."""
        for name in self._records.names():
            if not name.startswith(USED_ANSWER) and (call := _parsed(self._records.read(name))):
                yield call, self._has_expired(call)

    def identity(self) -> str:
        """A random name of these records, so that an answer can be tied to it."""
        self._records.create(IDENTITY, token_hex(16))
        identity = self._records.read(IDENTITY) or ""
        if not re.fullmatch(r"[0-9a-f]{32}", identity):
            raise StoreError(f"{IDENTITY} in {self.place} is damaged: remove it and start again.")
        return identity

    def add(self, call: PendingCall) -> None:
        """Let a call wait for approval.

        Where a caller has too many calls on one app, this removes the oldest. Where there are too
        many in all, it removes the oldest of the caller and the app with the most, so a flood
        shuts out no other app, and no other caller.
        """
        if len(json.dumps(call.arguments, ensure_ascii=False)) > MAX_PENDING_ARGUMENTS:
            raise StoreError(f"the arguments are longer than {MAX_PENDING_ARGUMENTS} characters")
        others: dict[tuple[str, ...], list[PendingCall]] = defaultdict(list)
        for each in self:
            if not each.approved and each.id != call.id:
                others[each.group].append(each)
        own = others[call.group]
        if len(own) >= MAX_OF_ONE_APP:
            self.remove(min(own, key=_age))
        elif sum(map(len, others.values())) >= MAX_WAITING:
            most = max(map(len, others.values()))
            fullest = [each for calls in others.values() if len(calls) == most for each in calls]
            self.remove(min(own if len(own) == most else fullest, key=_age))
        self._records.write(call.id, call.model_dump_json())

    def approve(self, call: PendingCall) -> bool:
        """Approve a call, once. Return whether it still waited.

        A person may answer late: an approval of another one may have been used up meanwhile.
        """
        if not (self._read(call.id) and self._records.remove(call.id)):
            return False
        approved = call.model_copy(update={"approved": True, "since": _now()})
        self._records.write(approved.id, approved.model_dump_json())
        return True

    def remove(self, call: PendingCall) -> bool:
        """Remove a pending call. Return whether it still waited."""
        return self._records.remove(call.id)

    def use_approval(self, call: PendingCall) -> bool:
        """Use up the approval of exactly this call. Return whether there was one."""
        found = self._read(call.id)
        approved = found is not None and found.approved and found.same_call(call)
        return approved and self._records.remove(call.id)

    def use_answer(self, answer: str) -> bool:
        """Mark an answer as used. Return whether this is its first use. A damaged mark counts."""
        self._remove_old_answers()
        return self._records.create(USED_ANSWER + answer, _now().isoformat())

    def _read(self, name: str) -> PendingCall | None:
        call = _parsed(self._records.read(name))
        if call and call.id == name and not self._has_expired(call):
            return call
        self._records.remove(name)
        return None

    def _has_expired(self, call: PendingCall) -> bool:
        """Whether a call expired by either clock: somebody may set the wall clock back."""
        in_time = -MAX_CLOCK_DIFFERENCE <= _now() - call.since <= LIFETIME
        return not in_time or self._known_for(call.id, call.since) > LIFETIME

    def _remove_old_answers(self) -> None:
        """Remove the marks of used answers that are old by both clocks."""
        for name in self._names():
            if (
                name.startswith(USED_ANSWER)
                and self._known_for(name) > 2 * LIFETIME
                and self._written_before(name, 2 * LIFETIME)
            ):
                self._records.remove(name)

    def _names(self) -> list[str]:
        names = self._records.names()
        for gone in self._seen.keys() - set(names):
            self._seen.pop(gone, None)
        return names

    def _known_for(self, name: str, since: datetime | None = None) -> timedelta:
        """How long this process has known a file with this time in it."""
        now = time.monotonic()
        if name not in self._seen or self._seen[name][0] != since:
            self._seen[name] = since, now
        return timedelta(seconds=now - self._seen[name][1])

    def _written_before(self, name: str, age: timedelta) -> bool:
        try:
            since = datetime.fromisoformat(self._records.read(name) or "")
            return _now() - since > age
        except (ValueError, TypeError):  # damaged: the other clock decides
            return True
        except StoreError:
            return False


def _parsed(text: str | None) -> PendingCall | None:
    """The call in a file; None if the file is missing or damaged."""
    try:
        return PendingCall.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _age(call: PendingCall) -> datetime:
    return call.since
