"""What was about to be done when a secret was about to be shown, until it is safely kept."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connected_apps_tools.api.models import ClientType
from connected_apps_tools.storage.private_folder import PrivateFolder

YOUNG = timedelta(minutes=5)

Act = Literal["create_app", "start_secret_rotation", "complete_secret_rotation"]


class Intent(BaseModel):
    """One act that makes the service show or promote a secret. It holds no secret itself."""

    model_config = ConfigDict(frozen=True)

    act: Act
    project_id: str
    origin: str | None = None
    """Which service it was asked of."""
    client_id: str | None = None
    client_name: str = ""
    client_type: ClientType | None = None
    forced: bool = False
    """Whether a completion was to be made although the next secret was not kept."""
    begun_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def young(self) -> bool:
        """Whether the service may still be at it, so that no sign of it means nothing."""
        return datetime.now(UTC) - self.begun_at < YOUNG

    id: str = Field(default_factory=lambda: uuid4().hex)


class Journal:
    """The intents of every process of this user, one file each in a folder of theirs.

    A process holds a lock on what it is at; the system releases it when the process ends, however
    it ends. So what is not locked is what was left behind. Methods raise `StoreError`, and block.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = PrivateFolder(folder, within=folder.parent)
        self._held: dict[str, int] = {}

    def take_turn(self) -> int | None:
        """Let no other process of this user rotate; None where one does.

        The turn ends when the descriptor returned is closed, or the process ends.
        """
        return self._folder.try_lock(".turn")

    def begin(self, intent: Intent) -> None:
        """Record an intent. When this returns, it is on the disk."""
        self._held[intent.id] = self._folder.hold(intent.id, intent.model_dump_json())

    def end(self, intent: Intent) -> None:
        """Strike it out: what it was about is safe."""
        self._folder.remove(intent.id)
        self.leave(intent)

    def leave(self, intent: Intent) -> None:
        """Let it stand for `left_behind`, though this process lives on."""
        held = self._held.pop(intent.id, None)
        if held is not None:
            os.close(held)

    def close(self) -> None:
        """Let everything stand that is not struck out."""
        while self._held:
            os.close(self._held.popitem()[1])

    def left_behind(self) -> tuple[list[Intent], list[str]]:
        """The intents that nobody is at any more, and the names of those that cannot be read."""
        intents, unreadable = [], []
        for name in self._folder.names():
            text = self._folder.read(name, unless_held=True)
            if text is None:
                continue
            try:
                intents.append(Intent.model_validate_json(text))
            except ValidationError:
                unreadable.append(name)
        return intents, unreadable
