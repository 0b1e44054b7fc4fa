"""What waits for a person at a terminal, since the client cannot ask, and which answers were used.

It is kept in files that every process of this user shares, so that an approval or an answer counts
once, whichever process it reaches. The methods block, and raise `StoreError`.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connected_apps_tools.question import Question
from connected_apps_tools.scrubber import SCRUBBER
from connected_apps_tools.secret_store import StoreError
from connected_apps_tools.secret_store.private_folder import PrivateFolder

KEPT = timedelta(minutes=10)
"""How long something waits, how long an approval holds, and how long an answer may be used."""

FOLDER = "confirmations"
"""Where it is, in the data folder."""

MAX_WAITING = 100

IDENTITY = ".identity"
SPENT = "spent-"


def _now() -> datetime:
    return datetime.now(UTC)


class Waiting(BaseModel):
    """A call that a person has to allow."""

    model_config = ConfigDict(frozen=True)

    id: str
    project_id: str
    tool: str
    arguments: dict[str, Any]
    question: str
    since: AwareDatetime = Field(default_factory=_now)
    approved: bool = False

    @classmethod
    def of(cls, project_id: str, tool: str, arguments: dict[str, Any], question: Question) -> Self:
        """The call with these very arguments, on the app in its present state."""
        exactly = json.dumps([project_id, tool, arguments, question.state], sort_keys=True)
        return cls(
            id=sha256(exactly.encode()).hexdigest()[:16],
            project_id=project_id,
            tool=tool,
            arguments=SCRUBBER.value(arguments),
            question=SCRUBBER.text(question.text(project_id)),
        )

    @property
    def over(self) -> bool:
        """Whether it has waited too long."""
        return not timedelta() <= _now() - self.since <= KEPT


class Approvals:
    """The calls that wait, those that were approved, and the answers that were used."""

    def __init__(self, folder: Path) -> None:
        self._folder = PrivateFolder(folder)

    def __iter__(self) -> Iterator[Waiting]:
        """Those that wait or were approved. What is over is swept away."""
        for name in self._folder.names():
            if not name.startswith(SPENT) and (waiting := self._read(name)):
                yield waiting

    def identity(self) -> str:
        """What tells this folder from any other, so that an answer can be tied to it."""
        self._folder.create(IDENTITY, token_hex(16))
        return self._folder.read(IDENTITY) or ""

    def wait(self, waiting: Waiting) -> None:
        """Let a call wait for approval."""
        if sum(1 for _ in self) >= MAX_WAITING:
            raise StoreError(f"{MAX_WAITING} calls wait for approval already")
        self._folder.write(waiting.id, waiting.model_dump_json())

    def approve(self, waiting: Waiting) -> None:
        """Allow a call, once."""
        approved = waiting.model_copy(update={"approved": True, "since": _now()})
        self._folder.write(approved.id, approved.model_dump_json())

    def withdraw(self, waiting: Waiting) -> None:
        """Let it wait no longer."""
        self._folder.remove(waiting.id)

    def take(self, waiting: Waiting) -> bool:
        """Use the approval of a call, if there is one."""
        found = self._read(waiting.id)
        return found is not None and found.approved and self._folder.remove(waiting.id)

    def spend(self, answer: str) -> bool:
        """Use an answer; says whether it is the first time."""
        self._sweep()
        return self._folder.create(SPENT + answer, _now().isoformat())

    def _read(self, name: str) -> Waiting | None:
        text = self._folder.read(name)
        try:
            waiting = Waiting.model_validate_json(text) if text else None
        except ValidationError:
            waiting = None
        if waiting and not waiting.over and waiting.id == name:
            return waiting
        self._folder.remove(name)
        return None

    def _sweep(self) -> None:
        for name in self._folder.names():
            if name.startswith(SPENT):
                since = self._folder.read(name)
                if since and _now() - datetime.fromisoformat(since) > 2 * KEPT:
                    self._folder.remove(name)
