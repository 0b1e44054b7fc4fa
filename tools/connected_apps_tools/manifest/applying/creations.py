"""The apps that an apply creates, until their bindings are written.

An apply that is interrupted leaves them, and the next one looks for them first. So no app is
created twice.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connected_apps_tools.api.models import App, ConnectedApp
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.manifest.plans.plan import Adopted
from connected_apps_tools.manifest.settings import Settings
from connected_apps_tools.secrets.stores.base import LOWER_CASE, segment
from connected_apps_tools.secrets.unknown_outcome import looks_of, name_apps
from connected_apps_tools.storage.records import Held, Records
from connected_apps_tools.storage.threads import in_thread

LOCK = ".turn"


class Creation(BaseModel):
    """An app that an apply was about to create, or has created.

    Attributes:
        key: its key in the manifest.
        client_name: the name that it gets.
        client_type: the type that it gets.
        alike: the ids of the apps with this name and type that were there before.
        client_id: its id; None if it is not known whether it was created.
        reported: whether a caller got the id.
        begun_at: when it was about to be created.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    project_id: str
    key: str
    client_name: str
    client_type: str
    alike: list[str]
    client_id: str | None = None
    reported: bool = False
    begun_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    def is_for(self, wanted: Settings | None) -> bool:
        """Whether it is the creation of an app that a manifest wants under its key.

        After a caller got the id, another manifest may use the key for another app.
        """
        if wanted is None:
            return False
        looks = looks_of(str(wanted["client_name"]), str(wanted["client_type"]))
        return not self.reported or looks == looks_of(self.client_name, self.client_type)

    def may_be(self, app: App) -> bool:
        """Whether an app can be the one that was created."""
        own, its = (looks_of(each.client_name, each.client_type) for each in (self, app))
        return own == its and app.client_id not in self.alike and not app.client_id_metadata_url


class Creations:
    """The unfinished creations of a project: a record each. Methods raise `StoreError`."""

    def __init__(self, records: Records, project_id: str) -> None:
        """Record the creations of a project."""
        self._records = records
        self._project_id = project_id

    def try_lock(self) -> Held | None:
        """The lock that one apply holds at a time; None where it is taken."""
        return self._records.try_lock(LOCK)

    async def begin(
        self, key: str, client_name: str, client_type: str, alike: Iterable[str]
    ) -> Creation:
        """Record that an app is about to be created."""
        creation = Creation(
            project_id=self._project_id,
            key=key,
            client_name=client_name,
            client_type=client_type,
            alike=list(alike),
        )
        await self._write(creation)
        return creation

    async def end(self, creation: Creation, client_id: str) -> Creation:
        """Record the id of an app that was created."""
        ended = creation.model_copy(update={"client_id": client_id})
        await self._write(ended)
        return ended

    async def report(self, creations: Iterable[Creation]) -> None:
        """Record that a caller gets the ids."""
        for creation in creations:
            await self._write(creation.model_copy(update={"reported": True}))

    async def forget(self, keys: Iterable[str]) -> None:
        """Forget creations: nothing was created, or the bindings have the apps."""
        await in_thread(self._remove, {self._file(key) for key in keys})

    async def unfinished(self) -> Sequence[Creation]:
        """The creations that were begun and not forgotten. Damaged records are left out."""
        return await in_thread(self._read)

    def _remove(self, names: set[str]) -> None:
        for name in names.intersection(self._records.names()):
            self._records.remove(name)

    def _read(self) -> list[Creation]:
        found = []
        for name in self._records.names():
            creation = _parsed(self._records.read(name))
            if creation and creation.project_id == self._project_id:
                found.append(creation)
        return found

    async def _write(self, creation: Creation) -> None:
        await in_thread(self._records.write, self._file(creation.key), creation.model_dump_json())

    def _file(self, key: str) -> str:
        return ".".join([*(segment(each, LOWER_CASE) for each in (self._project_id, key)), "json"])


def _parsed(text: str | None) -> Creation | None:
    try:
        return Creation.model_validate_json(text) if text else None
    except ValidationError:
        return None


def adopted(
    bound: Mapping[str, str], creations: Iterable[Creation], apps: Collection[ConnectedApp]
) -> dict[str, tuple[str, Adopted]]:
    """The apps that interrupted applies have created, by key: the id, and how each is known.

    Among apps that look alike, those with a known id go first, then the latest creations: they know
    of the most apps that were there before.

    Raises:
        InvalidRequest: which app was created is not certain.
    """
    taken = {client_id: key for key, client_id in bound.items()}
    free = {app.client_id: app for app in apps if app.client_id not in taken}
    found: dict[str, tuple[str, Adopted]] = {}
    for creation in sorted(creations, key=_certainty, reverse=True):
        if creation.key in bound:
            continue
        if other := taken.get(creation.client_id or ""):
            raise _bound_twice(creation.key, other)
        if creation.client_id:
            candidates = [creation.client_id] if creation.client_id in free else []
        else:
            candidates = [client_id for client_id, app in free.items() if creation.may_be(app)]
        if len(candidates) > 1:
            raise _uncertain(creation, [free[client_id] for client_id in candidates])
        for client_id in candidates:
            how: Adopted = "by its id" if creation.client_id else "by its looks"
            found[creation.key] = client_id, how
            del free[client_id]
    return found


def _certainty(creation: Creation) -> tuple[bool, datetime]:
    return creation.client_id is not None, creation.begun_at


def _bound_twice(key: str, other: str) -> InvalidRequest:
    refusal = InvalidRequest(f"{key}: the app that an apply has created is bound to {other}.")
    refusal.hint = "Nothing was sent. Remove one of the two from the manifest and the bindings."
    return refusal


def _uncertain(creation: Creation, apps: Sequence[ConnectedApp]) -> InvalidRequest:
    refusal = InvalidRequest(
        f"An interrupted apply may have created any of {name_apps(apps)} for {creation.key}."
    )
    refusal.hint = (
        "Bind the right one: connected-apps-mcp import CLIENT_ID KEY, or a line in the bindings."
    )
    return refusal
