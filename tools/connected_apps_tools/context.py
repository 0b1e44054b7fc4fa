"""What the tools work with."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

import anyio

from connected_apps_tools.api.app_names import AppNames
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.health import ask
from connected_apps_tools.api.models import ConnectedApp, Result
from connected_apps_tools.api.ttl_cache import TtlCache
from connected_apps_tools.findings.limits import ReviewLimits
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.safety.question import CONVERSATION, Audience
from connected_apps_tools.secrets.delivery.records import Deliveries
from connected_apps_tools.secrets.lifecycle import SecretLifecycle
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.records import FolderState, Records, SharedState
from connected_apps_tools.storage.waiting import wait_for_lock

from .deadline import seconds_left
from .errors import ConnectedAppsError, InvalidRequest, NotFound, NotSent

if TYPE_CHECKING:
    from connected_apps_tools.manifest.applying.creations import Creations
    from connected_apps_tools.manifest.plans.sightings import Sightings

PULSE_SECONDS = 10.0
"""How long a successful check of the service counts."""

ConfirmedCall = Callable[[str, dict[str, Any]], Awaitable[Result]]
"""Calls a tool as a part of a call that a person has confirmed, with its own lines in the audit
log.
"""

ReportProgress = Callable[[float, float | None, str], Awaitable[None]]
"""Takes how much is done, of how much where that is known, and a sentence about it."""


@dataclass(frozen=True)
class SecretsCommand:
    """How a person reads a stored secret in a shell, outside the conversation.

    Attributes:
        program: the words that start this program.
        variables: what the environment has to hold; no secret value.
        flags: the settings that lead to the stored secrets.
        fleeting: the kind of store that ends with this process; no command can read it.
    """

    program: Sequence[str] = ("connected-apps-mcp",)
    variables: Mapping[str, str] = field(default_factory=dict)
    flags: Sequence[str] = ()
    fleeting: str | None = None


@dataclass(frozen=True)
class ServerInfo:
    """What results say about this server.

    Attributes:
        profile: the name under which the operator stored the project, if it has one.
        tools_off: why a tool is off, by its name.
        losses: secrets that may be lost, in sentences. They change where other servers may end.
        secrets_command: how a person reads a stored secret.
        audience: who sees a secret that a tool shows.
    """

    version: str = "unknown"
    environment: Literal["sandbox", "test", "live"] = "test"
    profile: str | None = None
    tools_off: Mapping[str, str] = field(default_factory=dict)
    losses: Sequence[str] = ()
    secrets_command: SecretsCommand = SecretsCommand()
    audience: Audience = CONVERSATION

    @property
    def advised_losses(self) -> list[str]:
        """The losses, each with what cannot be done about it here."""
        return list(map(self.advice, self.losses))

    def advice(self, text: str) -> str:
        """The text, followed by which of the tools it names are off here, and why."""
        return " ".join(filter(None, [text, self.why_off(text)]))

    def why_off(self, text: str) -> str:
        """Why tools that a text names are off here, unless the text says so itself."""
        off: dict[str, list[str]] = {}
        for name in dict.fromkeys(re.findall(r"[a-z]+(?:_[a-z]+)+", text)):
            why = self.tools_off.get(name)
            if why and why not in text:
                off.setdefault(why, []).append(name)
        reasons = [
            f"{' and '.join(names)} cannot be used here. {why}" for why, names in off.items()
        ]
        return " ".join([*reasons, "Only the operator can change that."] if reasons else [])


async def _refuse_parts(tool: str, arguments: dict[str, Any]) -> Result:  # noqa: ARG001 - see above
    """Refuse to call a tool, where nothing records it."""
    raise AssertionError(f"{tool} is a part of a call that nothing records")


async def _to_nobody(done: float, total: float | None, message: str) -> None:
    """Report to nobody."""


class AppLocks:
    """Locks that let one call at a time change an app."""

    def __init__(self, shared: Records | None = None) -> None:
        """Lock for this process, and for all that share these records."""
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
        self._shared = shared

    @asynccontextmanager
    async def hold(self, client_id: str) -> AsyncIterator[None]:
        """Hold the lock of an app.

        Raises:
            NotSent: the deadline ended before the other calls did.
            InvalidRequest: the app cannot be locked for all processes.
        """
        lock = self._locks.setdefault(client_id, anyio.Lock())
        try:
            with anyio.fail_after(seconds_left()):
                await lock.acquire()
        except TimeoutError:
            raise _late() from None
        try:
            with await self._hold_for_all(client_id):
                yield
        finally:
            lock.release()

    async def _hold_for_all(self, client_id: str) -> ExitStack:
        """The lock among all processes, if they share one."""
        if self._shared is None:
            return ExitStack()
        try_lock = partial(self._shared.try_lock, client_id)
        try:
            lock = await wait_for_lock(try_lock, seconds_left())
        except StoreError as error:
            raise InvalidRequest(f"Nothing was sent: the app cannot be locked. {error}") from None
        if lock is None:
            raise _late()
        return lock


def _late() -> NotSent:
    late = NotSent("Nothing was sent: other changes of this app did not end in time.")
    late.late, late.hint = True, "Wait a moment, then try again."
    return late


@dataclass(frozen=True)
class ToolContext:
    """What a call of a tool works with: one Stytch project, and how this server is set up.

    Attributes:
        api: the client of the service.
        secrets: creates, rotates and ends client secrets, and stores them.
        folder: the folder on this machine for what outlives a call.
        state: what all processes share that serve the project.
        app_names: the names of the apps, to recognise one.
        service_check: says that the service answers, or raises like `api.search`.
        app_locks: let one call at a time change an app.
        server: what results say about this server.
        policy: what the operator allows.
        report_progress: takes the progress of the call.
        call_part: calls another tool as a part of the call.
        review_limits: what a review accepts.
        rotation_lock: the lock that allows one rotation at a time among all processes of the user;
            None if this call does not rotate.
    """

    api: ConnectedAppsClient
    secrets: SecretLifecycle
    folder: Path
    state: SharedState
    app_names: AppNames
    service_check: TtlCache[str]
    app_locks: AppLocks = field(default_factory=AppLocks)
    server: ServerInfo = ServerInfo()
    policy: Policy = field(default_factory=Policy)
    report_progress: ReportProgress = _to_nobody
    call_part: ConfirmedCall = _refuse_parts
    review_limits: ReviewLimits = field(default_factory=ReviewLimits)
    rotation_lock: ExitStack | None = None
    _apps_read: dict[str, ConnectedApp] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        api: ConnectedAppsClient,
        secrets: SecretLifecycle,
        folder: Path,
        state: SharedState | None = None,
    ) -> "ToolContext":
        """The context of calls on the project of a client. Without a state, the folder has it."""
        check = TtlCache(partial(ask, api), PULSE_SECONDS)
        return cls(api, secrets, folder, state or FolderState(folder), AppNames(api), check)

    def for_call(
        self, report_progress: ReportProgress = _to_nobody, call_part: ConfirmedCall = _refuse_parts
    ) -> "ToolContext":
        """A copy for one call, which has read nothing yet."""
        return replace(self, report_progress=report_progress, call_part=call_part, _apps_read={})

    def for_one_plan(self, rotation_lock: ExitStack | None = None) -> "ToolContext":
        """A copy for one plan, without the apps that were read before."""
        return replace(self, rotation_lock=rotation_lock, _apps_read={})

    @property
    def deliveries(self) -> Deliveries:
        """The record of delivered secrets."""
        return Deliveries(self.state.records("deliveries"), self.api.project_id)

    @property
    def creations(self) -> "Creations":
        """The apps that applies of manifests are creating."""
        from connected_apps_tools.manifest.applying.creations import Creations

        return Creations(self.state.records("applies"), self.api.project_id)

    @property
    def sightings(self) -> "Sightings":
        """When each app was seen first, and how long it has been as it is."""
        from connected_apps_tools.manifest.plans.sightings import Sightings

        return Sightings(self.state.records("sightings"), self.api.project_id)

    async def apply_lock(self) -> ExitStack:
        """Let one apply at a time, of all processes of the user, change the project.

        Raises:
            InvalidRequest: another one did not end in time.
        """
        try:
            lock = await wait_for_lock(self.creations.try_lock, seconds_left())
        except StoreError as error:
            raise InvalidRequest(f"Nothing was sent: applies cannot be locked. {error}") from None
        if lock is None:
            refusal = InvalidRequest("Nothing was sent: another apply has not ended.")
            refusal.transient, refusal.hint = True, "Try again when it has ended."
            raise refusal
        return lock

    async def read_app(self, client_id: str) -> ConnectedApp:
        """The app, which one plan reads once. Raises like `api.get`."""
        if client_id not in self._apps_read:
            self._apps_read[client_id] = (await self.api.get(client_id)).connected_app
        return self._apps_read[client_id]

    async def require_unprotected(self, client_id: str) -> None:
        """Refuse an app that the policy protects. The app is read where names are protected.

        An app that does not exist has no name, and is not refused here.

        Raises:
            PolicyRefusal: the policy protects it.
            ConnectedAppsError: it could not be read.
        """
        self.policy.check_unprotected(client_id)
        if self.policy.protected_apps.names:
            with suppress(NotFound):
                app = await self.read_app(client_id)
                self.policy.check_unprotected(client_id, app.client_name)

    async def hint_for(self, error: ConnectedAppsError) -> str | None:
        """What to do about an error. It names the app that was most likely meant, if any."""
        if isinstance(error, NotFound) and error.client_id:
            with suppress(ConnectedAppsError):
                if meant := await self.app_names.nearest_id(error.client_id):
                    return f"Did you mean {meant}? Else use search_apps to find the client_id."
        return error.hint
