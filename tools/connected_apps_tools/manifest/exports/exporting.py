"""Writes the apps of a project into a manifest, and their client ids into its bindings."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.api.service import is_live
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.findings.limits import ReviewLimits
from connected_apps_tools.findings.parsed_app import ParsedApp
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.faults import InvalidManifest
from connected_apps_tools.manifest.documents.manifest import Given, Manifest, ManifestApp
from connected_apps_tools.manifest.documents.reading import APPS, ENVIRONMENTS, read_manifest
from connected_apps_tools.manifest.documents.toml_file import KeyPath
from connected_apps_tools.manifest.settings import (
    DEFAULTS,
    SETTINGS,
    TYPE,
    Settings,
    Value,
    can_express,
    given_in,
    normalised,
    settings_of,
)
from connected_apps_tools.text.printable import did_you_mean, printable

from .editing import edited
from .keys import keys_for

HEAD = """\
# Connected Apps: [app.KEY] is an app, [app.KEY.ENVIRONMENT] what differs there.
# A setting that is left out has the default of the service.
"""

BY_STRANGER = "A stranger registered this app and may have written its texts and URLs."


@dataclass(frozen=True)
class Export:
    """What to write.

    Attributes:
        manifest: the text of the manifest.
        bindings: the bindings, with those of the apps in it.
        left_out: the client ids of apps that a manifest cannot express, such as one of a type that
            is not known here.
    """

    manifest: str
    bindings: Bindings
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """Where to write.

    Attributes:
        project_id: the project of the apps.
        manifest: what is there already; None if there is none.
        bindings: the same for the bindings.
        environment: the name to bind to the project if the manifest has none for it.
    """

    project_id: str
    manifest: Manifest | None = None
    bindings: Bindings = field(default_factory=Bindings)
    environment: str | None = None

    @property
    def joins(self) -> bool:
        """Whether the project comes into a manifest of other projects here."""
        bound = self.manifest.environments.values() if self.manifest else ()
        return bool(bound) and self.project_id not in bound


def export(
    apps: Sequence[ConnectedApp], target: Target, only: Collection[str] | None = None
) -> Export:
    """The apps of a project in a manifest; only those with some keys, if given.

    What is in the manifest already keeps its place and its comments. Apps that are not in the
    project stay in it: they may be new. An app with the name and type of one that is not bound
    gets its key. Where the project comes into a manifest of other projects, apps that it does not
    have stay with the others alone.

    Raises:
        InvalidRequest: no app has one of these keys.
        InvalidManifest: the manifest cannot be edited.
    """
    known = [app for app in apps if can_express(app)]
    manifest = target.manifest or read_manifest("")
    bound = target.bindings.of(target.project_id)
    bound = {**bound, **_unbound_twins(known, bound, manifest)}
    by_key = keys_for(known, bound, manifest.apps)
    only_elsewhere = manifest.apps.keys() - by_key.keys() if target.joins and only is None else ()
    if only is not None:
        for key in only:
            if key not in by_key:
                raise _no_such_key(key, by_key)
        by_key = {key: by_key[key] for key in by_key if key in only}
    left_out = tuple(app.client_id for app in apps if not can_express(app))
    return _written(by_key, target, left_out, sorted(only_elsewhere))


def _unbound_twins(
    apps: Iterable[ConnectedApp], bound: Mapping[str, str], manifest: Manifest
) -> dict[str, str]:
    """The apps with the name and the type of an app of the manifest that is not bound here.

    Its binding was lost, or it is bound in other projects. An app of a stranger is none of them.
    """
    taken = {*bound.values()}
    own = [app for app in apps if app.client_id not in taken and not _by_stranger(app)]
    ids, keys = defaultdict(list), defaultdict(set)
    for app in own:
        ids[app.client_name, app.client_type].append(app.client_id)
    for environment in manifest.environments or [None]:
        for key, settings in manifest.wanted_in(environment).items():
            if key not in bound:
                keys[settings["client_name"], settings[TYPE]].add(key)
    return {
        key: found[0]
        for looks, found in ids.items()
        if len(found) == len(keys.get(looks, ())) == 1
        for key in keys[looks]
    }


def _by_stranger(app: ConnectedApp) -> bool:
    return ParsedApp(app, ReviewLimits()).by_stranger


def adopt(app: ConnectedApp, key: str, target: Target) -> Export:
    """One app in a manifest, under a key.

    Raises:
        InvalidRequest: the app or the key is bound already, or a manifest cannot express the app.
        InvalidManifest: the key is not one, or the manifest cannot be edited.
    """
    bound = target.bindings.of(target.project_id)
    for other, client_id in bound.items():
        if (other == key) != (client_id == app.client_id):
            raise InvalidRequest(f"The key {other} is bound to {client_id} already.")
    if not can_express(app):
        raise InvalidRequest("A manifest cannot express this app: a value is not known here.")
    return _written({key: app}, target, ())


def _no_such_key(key: str, keys: Collection[str]) -> InvalidRequest:
    refusal = InvalidRequest(f"No app has the key {printable(key)}.{did_you_mean(key, keys)}")
    refusal.quotes = True
    return refusal


def _written(
    by_key: Mapping[str, ConnectedApp],
    target: Target,
    left_out: tuple[str, ...],
    only_elsewhere: Iterable[str] = (),
) -> Export:
    manifest = target.manifest or read_manifest(HEAD)
    environment, changes = _environment(manifest, target)
    for key in only_elsewhere:
        changes |= _kept_elsewhere(key, manifest)
    elsewhere = bool(manifest.environments.keys() - {environment})
    marks = {}
    for key, app in by_key.items():
        place = _Place(key, environment, elsewhere=elsewhere)
        changes |= place.changes(manifest.apps.get(key), settings_of(app))
        if _by_stranger(app):
            marks[place.table] = BY_STRANGER
    text = edited(manifest.file, changes, marks)
    read_manifest(text, manifest.file.name)  # such as a key that is not one
    bound = {key: app.client_id for key, app in by_key.items()}
    return Export(text, target.bindings.with_bound(target.project_id, bound), left_out)


def _kept_elsewhere(key: str, manifest: Manifest) -> dict[KeyPath, Value | None]:
    """How the manifest changes so that an app stays in the environments that have it, alone."""
    there = manifest.apps[key]
    if TYPE not in there.settings:
        return {}
    given: dict[KeyPath, Value | None] = {
        (APPS, key, name, TYPE): there.settings[TYPE]
        for name in manifest.environments
        if TYPE not in there.overrides.get(name, {})
    }
    return {(APPS, key, TYPE): None, **given}


def _environment(
    manifest: Manifest, target: Target
) -> tuple[str | None, dict[KeyPath, Value | None]]:
    """The environment of the project, and how the manifest changes to bind it.

    A manifest with apps and without environments is for any project, and stays so.
    """
    project_id = target.project_id
    if project_id in manifest.environments.values():
        return manifest.environment_of(project_id), {}
    if manifest.apps and not manifest.environments and not target.environment:
        return None, {}
    name = target.environment or ("live" if is_live(project_id) else "test")
    if name in manifest.environments:
        what = "it is bound to another project; choose another name for this one"
        raise InvalidManifest([manifest.file.fault([ENVIRONMENTS, name], what)])
    return name, {(ENVIRONMENTS, name): project_id}


@dataclass(frozen=True)
class _Place:
    """Where the settings of an app are.

    Attributes:
        key: the key of the app.
        environment: the environment that they are for, if there are any.
        elsewhere: whether there are other environments, which must not change.
    """

    key: str
    environment: str | None
    elsewhere: bool

    @property
    def table(self) -> KeyPath:
        """The table for settings that are not there yet."""
        if self.environment and self.elsewhere:
            return APPS, self.key, self.environment
        return APPS, self.key

    def changes(self, there: ManifestApp | None, wanted: Settings) -> dict[KeyPath, Value | None]:
        """What has to change for an app to have these settings in this environment."""
        if there is None:
            return {(*self.table, name): value for name, value in given_in(wanted).items()}
        return dict(self._changes(there, wanted))

    def _changes(
        self, there: ManifestApp, wanted: Settings
    ) -> Iterator[tuple[KeyPath, Value | None]]:
        override = there.overrides.get(self.environment or "", {})
        shared, current = _all(there.settings), _all({**there.settings, **override})
        for name in SETTINGS:
            if current[name] == wanted[name]:
                continue
            table: KeyPath = (APPS, self.key)
            inherited = DEFAULTS.get(name)
            if self.environment and (self.elsewhere or name in override):
                table, inherited = (*table, self.environment), shared[name]
            yield (*table, name), None if inherited == wanted[name] else wanted[name]


def _all(given: Given) -> Settings:
    """Every setting, also where the type is not given."""
    return normalised({TYPE: "", **given})
