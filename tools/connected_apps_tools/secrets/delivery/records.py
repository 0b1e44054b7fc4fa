"""Records which secret was last delivered to which destination."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from connected_apps_tools.secrets.stores.base import LOWER_CASE, segment
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import Records
from connected_apps_tools.storage.threads import in_thread

LOCK = ".turn"
LOCK_SECONDS = 10.0
"""How long to wait for another process that records a delivery."""


class Delivery(BaseModel):
    """The last secret that a destination got, without the secret."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    destination: str
    last_four: str
    delivered_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


_LIST = TypeAdapter(list[Delivery])


class Deliveries:
    """The deliveries of a project: a record for each app. Each method raises `StoreError`."""

    def __init__(self, records: Records, project_id: str) -> None:
        """Record the deliveries of a project."""
        self._records = records
        self._project_id = project_id

    async def of(self, client_id: str) -> Sequence[Delivery]:
        """The last delivery of an app to each destination, the latest one first."""
        return await in_thread(self._read, self._records, client_id)

    async def record(self, client_id: str, delivery: Delivery) -> None:
        """Record a delivery, in the place of an earlier one to the same destination."""
        await in_thread(self._record, client_id, delivery)

    async def forget(self, client_id: str) -> None:
        """Remove the record of an app."""
        await in_thread(self._records.remove, self._file(client_id))

    def _record(self, client_id: str, delivery: Delivery) -> None:
        with self._records.locked(LOCK, LOCK_SECONDS) as records:
            try:
                earlier = self._read(records, client_id)
            except _Damaged:  # the new delivery is worth more
                earlier = []
            others = [each for each in earlier if each.destination != delivery.destination]
            document = _LIST.dump_python([delivery, *others], mode="json")
            records.write(self._file(client_id), json.dumps(document))

    def _read(self, records: Records, client_id: str) -> list[Delivery]:
        name = self._file(client_id)
        text = records.read(name)
        try:
            return [] if text is None else _LIST.validate_json(text)
        except ValidationError:
            raise _Damaged(f"{name} in {records.place} is damaged: delete it.") from None

    def _file(self, client_id: str) -> str:
        parts = [segment(each, LOWER_CASE) for each in (self._project_id, client_id)]
        return ".".join([*parts, "json"])


class _Damaged(StoreError):
    """The file of an app is damaged."""
