"""When this server saw each app first, and how long it has been as it is.

The service gives neither. A plan that deletes an app shows it, as evidence that it is unused.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import App
from connected_apps_tools.secrets.stores.base import LOWER_CASE, segment
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import Records
from connected_apps_tools.storage.threads import in_thread

logger = logging.getLogger(__name__)

LOCK = ".turn"
LOCK_SECONDS = 10.0
"""How long to wait for another process that records sightings."""


class Sighting(BaseModel):
    """What is known of an app.

    Attributes:
        first: when it was seen first.
        version: the version that it had last.
        since: when it was first seen with this version.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    first: AwareDatetime
    version: str
    since: AwareDatetime


_BY_ID = TypeAdapter(dict[str, Sighting])


class Sightings:
    """The sightings of the apps of a project, in a record."""

    def __init__(self, records: Records, project_id: str) -> None:
        """Record the sightings of a project."""
        self._records = records
        self._name = f"{segment(project_id, LOWER_CASE)}.json"

    async def of(self, apps: Iterable[App]) -> Mapping[str, Sighting]:
        """Record that these are all the apps there are now, and return what is known of each.

        Nothing is known where the record cannot be used: a plan does without it.
        """
        now = datetime.now(UTC)
        versions = {app.client_id: version_of(app) for app in apps}
        try:
            return await in_thread(self._record, versions, now)
        except StoreError as error:
            logger.warning("What was seen of the apps cannot be recorded: %s", error)
            return {}

    def _record(self, versions: Mapping[str, str], now: datetime) -> dict[str, Sighting]:
        with self._records.locked(LOCK, LOCK_SECONDS) as records:
            earlier = _parsed(records.read(self._name))
            seen = {
                client_id: _seen(earlier.get(client_id), version, now)
                for client_id, version in versions.items()
            }
            if seen != earlier:
                records.write(self._name, _BY_ID.dump_json(seen).decode())
            return seen


def _seen(earlier: Sighting | None, version: str, now: datetime) -> Sighting:
    if earlier is None:
        return Sighting(first=now, version=version, since=now)
    if earlier.version == version:
        return earlier
    return Sighting(first=earlier.first, version=version, since=now)


def _parsed(text: str | None) -> dict[str, Sighting]:
    try:
        return _BY_ID.validate_json(text) if text else {}
    except ValidationError:
        return {}
