"""The calls that wait for a person at a terminal, and the answers that were used.

They are files that every process of this user shares, so an approval or an answer counts once,
whichever process it reaches. The methods block, and raise `StoreError`.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connected_apps_tools.safety.question import Question
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder
from connected_apps_tools.text.redaction import REDACTOR

LIFETIME = timedelta(minutes=10)
"""How long something waits, how long an approval holds, and how long an answer may be used."""

FOLDER = "confirmations"
"""The folder's name, in the data folder."""

MAX_WAITING = 500
"""Calls that wait at a time."""

MAX_OF_ONE_APP = 10
"""Calls on one app that wait at a time. The newest take the place of the oldest."""

MAX_PENDING_ARGUMENTS = 256 * 1024
"""Characters of the arguments of a call that waits, as JSON."""

IDENTITY = ".identity"
USED = "spent-"

EnvironmentName = Literal["sandbox", "test", "live"]


def _now() -> datetime:
    return datetime.now(UTC)


class ProjectLabel(NamedTuple):
    """The project on which a call works."""

    project_id: str
    environment: EnvironmentName

    def __str__(self) -> str:
        """The project as a person reads it."""
        return f"{self.project_id} ({self.environment})"


class PendingCall(BaseModel):
    """A call that a person has to allow.

    Attributes:
        id: a digest of the call and of the state of the app, of 256 bits.
        state: the state of the app for which the question was put.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    project_id: str
    environment: EnvironmentName
    tool: str
    arguments: dict[str, Any]
    state: str
    question: str
    since: AwareDatetime = Field(default_factory=_now)
    approved: bool = False

    @classmethod
    def of(
        cls, where: ProjectLabel, tool: str, arguments: dict[str, Any], question: Question
    ) -> Self:
        """The call with these very arguments, on the app in its present state."""
        exactly = json.dumps([*where, tool, arguments, question.state], sort_keys=True)
        return cls(
            id=sha256(exactly.encode()).hexdigest(),
            project_id=where.project_id,
            environment=where.environment,
            tool=tool,
            arguments=REDACTOR.value(arguments),
            state=question.state,
            question=REDACTOR.text(question.text(str(where))),
        )

    def same_call(self, other: "PendingCall") -> bool:
        """Whether both stand for one call, in every part and not by their id alone."""
        own = {"since", "approved"}
        return self.model_dump(exclude=own) == other.model_dump(exclude=own)

    @property
    def subject(self) -> str:
        """What the call is about: an app, or the tool where no app is named."""
        return str(self.arguments.get("client_id", self.tool))


class Approvals:
    """The calls that wait, the calls that a person approved, and the answers that were used."""

    def __init__(self, folder: Path) -> None:
        self._folder = PrivateFolder(folder, within=folder.parent)
        self._seen: dict[str, tuple[datetime | None, float]] = {}
        """When this process first saw a file as it is, on a clock that never jumps."""

    @property
    def place(self) -> Path:
        """The folder of these files."""
        return self._folder.path

    def __iter__(self) -> Iterator[PendingCall]:
        """The calls that wait or were approved. Reading removes the ones that waited too long."""
        for name in self._names():
            if not name.startswith(USED) and (waiting := self._read(name)):
                yield waiting

    def identity(self) -> str:
        """What tells this folder from any other, so that an answer can be tied to it."""
        self._folder.create(IDENTITY, token_hex(16))
        identity = self._folder.read(IDENTITY) or ""
        if not re.fullmatch(r"[0-9a-f]{32}", identity):
            raise StoreError(f"{self.place / IDENTITY} is damaged: remove it and start again.")
        return identity

    def wait(self, waiting: PendingCall) -> None:
        """Let a call wait for approval.

        Where one app has too many, the oldest goes. Where there are too many in all, the oldest
        of the app with the most goes, so that a flood on one app shuts no other out.
        """
        if len(json.dumps(waiting.arguments, ensure_ascii=False)) > MAX_PENDING_ARGUMENTS:
            raise StoreError(f"the arguments are longer than {MAX_PENDING_ARGUMENTS} characters")
        others: dict[str, list[PendingCall]] = defaultdict(list)
        for each in self:
            if not each.approved and each.id != waiting.id:
                others[each.subject].append(each)
        own = others[waiting.subject]
        if len(own) >= MAX_OF_ONE_APP:
            self.withdraw(min(own, key=_age))
        elif sum(map(len, others.values())) >= MAX_WAITING:
            most = max(map(len, others.values()))
            fullest = [each for calls in others.values() if len(calls) == most for each in calls]
            self.withdraw(min(own if len(own) == most else fullest, key=_age))
        self._folder.write(waiting.id, waiting.model_dump_json())

    def approve(self, waiting: PendingCall) -> None:
        """Allow a call, once."""
        approved = waiting.model_copy(update={"approved": True, "since": _now()})
        self._folder.write(approved.id, approved.model_dump_json())

    def withdraw(self, waiting: PendingCall) -> None:
        """Let a call wait no longer."""
        self._folder.remove(waiting.id)

    def take(self, waiting: PendingCall) -> bool:
        """Use the approval of a call, if there is one for exactly this call."""
        found = self._read(waiting.id)
        approved = found is not None and found.approved and found.same_call(waiting)
        return approved and self._folder.remove(waiting.id)

    def use_answer(self, answer: str) -> bool:
        """Use an answer; says whether it is the first time. What is there counts as used."""
        self._sweep()
        return self._folder.create(USED + answer, _now().isoformat())

    def _read(self, name: str) -> PendingCall | None:
        text = self._folder.read(name)
        try:
            waiting = PendingCall.model_validate_json(text) if text else None
        except ValidationError:
            waiting = None
        if waiting and waiting.id == name and not self._over(waiting):
            return waiting
        self._folder.remove(name)
        return None

    def _over(self, waiting: PendingCall) -> bool:
        """Whether it has waited too long by either clock: somebody may set the wall clock back."""
        in_time = timedelta() <= _now() - waiting.since <= LIFETIME
        return not in_time or self._known_for(waiting.id, waiting.since) > LIFETIME

    def _sweep(self) -> None:
        """Remove old notes of used answers, where both clocks say that they are old."""
        for name in self._names():
            if (
                name.startswith(USED)
                and self._known_for(name) > 2 * LIFETIME
                and self._written_before(name, 2 * LIFETIME)
            ):
                self._folder.remove(name)

    def _names(self) -> list[str]:
        names = self._folder.names()
        for gone in self._seen.keys() - set(names):
            self._seen.pop(gone, None)
        return names

    def _known_for(self, name: str, since: datetime | None = None) -> timedelta:
        """How long this process has known a file, with this time in it."""
        now = time.monotonic()
        if name not in self._seen or self._seen[name][0] != since:
            self._seen[name] = since, now
        return timedelta(seconds=now - self._seen[name][1])

    def _written_before(self, name: str, age: timedelta) -> bool:
        try:
            since = datetime.fromisoformat(self._folder.read(name) or "")
            return _now() - since > age
        except (ValueError, TypeError):  # damaged: how long this process knows it decides
            return True
        except StoreError:
            return False


def _age(waiting: PendingCall) -> datetime:
    return waiting.since
