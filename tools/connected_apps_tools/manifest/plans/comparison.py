"""Compares a manifest with the apps of a project."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import ConnectedApp, CreateApp
from connected_apps_tools.errors import PolicyRefusal
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.faults import Fault, InvalidManifest
from connected_apps_tools.manifest.documents.manifest import Manifest
from connected_apps_tools.manifest.documents.reading import APPS
from connected_apps_tools.manifest.settings import (
    TYPE,
    Settings,
    can_express,
    differing,
    given_in,
    settings_of,
)
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.safety.risky_changes import risky_changes
from connected_apps_tools.text.printable import printable

from .plan import Adopted, FieldChange, ManifestPlan, Step

MAX_SAME = 3
"""Most apps with the name of a new one that a step tells."""


@dataclass(frozen=True)
class Project:
    """What a manifest is compared with.

    Attributes:
        project_id: the project.
        apps: all of its apps. One that is missing here would be created a second time.
        bindings: which of them the keys are.
        policy: what the operator allows.
        adopted: the keys of apps that an interrupted apply has created.
    """

    project_id: str
    apps: Iterable[ConnectedApp]
    bindings: Bindings
    policy: Policy
    adopted: Mapping[str, Adopted] = field(default_factory=dict)


def compare(manifest: Manifest, project: Project, *, prune: bool = False) -> ManifestPlan:
    """The plan that gives a project the apps of a manifest.

    `prune` deletes the apps that the manifest does not have, except those that it cannot express.

    Raises:
        InvalidManifest: the manifest does not bind the project, or wants another type for an app.
    """
    environment = manifest.environment_of(project.project_id)
    wanted = manifest.wanted_in(environment)
    comparison = _Comparison(project, prune=prune)
    steps = list(comparison.steps(wanted))
    if comparison.retyped:
        raise InvalidManifest(_faults(manifest, environment, comparison.retyped))
    return ManifestPlan.of(
        steps, project_id=project.project_id, environment=environment, prune=prune
    )


def _faults(
    manifest: Manifest, environment: str | None, retyped: Mapping[str, str]
) -> Iterator[Fault]:
    for key, there in retyped.items():
        override = manifest.apps[key].overrides.get(environment or "", {})
        table = [APPS, key, environment] if environment and TYPE in override else [APPS, key]
        what = f"the app is {printable(there)}, and its type cannot be changed"
        yield manifest.file.fault([*table, TYPE], what)


class _Comparison:
    """Goes through the apps of the manifest, then through the others of the project."""

    def __init__(self, project: Project, *, prune: bool) -> None:
        self.retyped: dict[str, str] = {}
        self._prune = prune
        self._policy = project.policy
        self._bound = project.bindings.of(project.project_id)
        self._adopted = project.adopted
        self._apps = {app.client_id: app for app in project.apps}
        self._unbound = _by_name(self._apps.keys() - {*self._bound.values()}, self._apps)

    def steps(self, wanted: Mapping[str, Settings]) -> Iterator[Step]:
        for key, settings in wanted.items():
            client_id = self._bound.get(key)
            app = self._apps.get(client_id or "")
            yield (
                self._changing(key, app, settings)
                if app
                else self._creating(key, settings, client_id)
            )
        managed = {self._bound[key] for key in wanted if key in self._bound}
        keys = {client_id: key for key, client_id in self._bound.items()}
        for client_id, app in self._apps.items():
            if client_id not in managed:
                yield self._unmanaged(keys.get(client_id), app)

    def _creating(self, key: str, wanted: Settings, gone: str | None) -> Step:
        settings = given_in(wanted)
        request = CreateApp.model_validate(settings)
        return Step(
            action="create",
            key=key,
            client_name=request.client_name or "",
            settings=settings,
            gone=gone,
            same_name=self._unbound.get(request.client_name or "", [])[:MAX_SAME],
            refusals=_refusals(lambda: self._policy.check_new(request)),
        )

    def _changing(self, key: str, app: ConnectedApp, wanted: Settings) -> Step:
        before = settings_of(app)
        settings = {name: wanted[name] for name in differing(before, wanted)}
        if TYPE in settings:
            self.retyped[key] = app.client_type
        step = Step(
            action="change" if settings else "nothing",
            key=key,
            client_id=app.client_id,
            client_name=app.client_name,
            adopted=self._adopted.get(key),
        )
        if not settings:
            return step
        after = app.model_copy(update=settings)
        return step.model_copy(
            update={
                "settings": settings,
                "changes": [
                    FieldChange(name=name, before=before[name], after=value)
                    for name, value in settings.items()
                ],
                "version": version_of(app),
                "weakens": list(risky_changes(app, after)),
                "refusals": [
                    *self._protection(app),
                    *_refusals(lambda: self._policy.check_change(app, after)),
                ],
            }
        )

    def _unmanaged(self, key: str | None, app: ConnectedApp) -> Step:
        step = Step(
            action="unmanaged", key=key, client_id=app.client_id, client_name=app.client_name
        )
        if not self._prune or not can_express(app):
            return step
        return step.model_copy(
            update={
                "action": "delete",
                "version": version_of(app),
                "refusals": self._protection(app),
            }
        )

    def _protection(self, app: ConnectedApp) -> list[str]:
        return _refusals(lambda: self._policy.check_unprotected(app.client_id, app.client_name))


def _by_name(client_ids: Iterable[str], apps: Mapping[str, ConnectedApp]) -> dict[str, list[str]]:
    """The ids of apps by their name, if they have one."""
    found: dict[str, list[str]] = defaultdict(list)
    for client_id in sorted(client_ids):
        if name := apps[client_id].client_name:
            found[name].append(client_id)
    return found


def _refusals(check: Callable[[], None]) -> list[str]:
    """What a check of the policy refuses."""
    try:
        check()
    except PolicyRefusal as refusal:
        return [str(refusal)]
    return []
