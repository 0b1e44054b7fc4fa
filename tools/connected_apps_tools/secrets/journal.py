"""Records the calls that make the service show a secret, until the secret is stored."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connected_apps_tools.api.models import ClientType
from connected_apps_tools.storage.records import Held, Lock, Records

RECENT = timedelta(minutes=5)
"""How long the service may still be working on a call without a response."""

Act = Literal["create_app", "start_secret_rotation", "complete_secret_rotation"]


class Intent(BaseModel):
    """A call that makes the service show or promote a secret. It contains no secret."""

    model_config = ConfigDict(frozen=True)

    act: Act
    project_id: str
    origin: str | None = None
    """The service that received the call."""
    client_id: str | None = None
    client_name: str = ""
    client_type: ClientType | None = None
    forced: bool = False
    """Whether to complete although the next secret is not stored."""
    begun_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def recent(self) -> bool:
        """Whether the call may still take effect at the service."""
        return datetime.now(UTC) - self.begun_at < RECENT

    id: str = Field(default_factory=lambda: uuid4().hex)


class Journal:
    """The intents of all processes that share the state, a record each.

    A process holds the records of its intents until it ends, in any way. So an intent that is not
    held is abandoned. Methods raise `StoreError`, and block.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._held: dict[str, Held] = {}

    def try_rotation_lock(self) -> Lock | None:
        """Lock rotations of all processes; None if another one holds the lock."""
        return self._records.try_lock(".turn")

    def record(self, intent: Intent) -> None:
        """Record an intent. It is durable when this returns."""
        self._held[intent.id] = self._records.hold(intent.id, intent.model_dump_json())

    def remove(self, intent: Intent) -> None:
        """Remove an intent: its outcome is known, and nothing is lost."""
        self._records.remove(intent.id)
        self.release(intent)

    def release(self, intent: Intent) -> None:
        """Unlock an intent. If it was not removed, it is abandoned."""
        held = self._held.pop(intent.id, None)
        if held is not None:
            held.close()

    def close(self) -> None:
        """Unlock all intents."""
        while self._held:
            self._held.popitem()[1].close()

    def abandoned(self) -> tuple[list[Intent], list[str]]:
        """The intents without a running process, and the names of unreadable ones."""
        intents, unreadable = [], []
        for name in self._records.names():
            text = self._records.read(name, unless_held=True)
            if text is None:
                continue
            try:
                intents.append(Intent.model_validate_json(text))
            except ValidationError:
                unreadable.append(name)
        return intents, unreadable
