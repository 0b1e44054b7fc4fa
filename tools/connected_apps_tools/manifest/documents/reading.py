"""Reads a manifest, and names every fault in it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from connected_apps_tools.manifest.settings import TYPE, AppTable
from connected_apps_tools.manifest.types import PROJECT_ID, in_words, problem_with
from connected_apps_tools.text.printable import did_you_mean

from .faults import ENOUGH, Fault, InvalidManifest
from .manifest import Given, Manifest, ManifestApp
from .toml_file import NAME, NAME_IN_WORDS, TomlFile

MANIFEST_FILE = "apps.toml"

TABLES = APPS, ENVIRONMENTS = "app", "environments"


def read_manifest(content: bytes | str, name: str = MANIFEST_FILE) -> Manifest:
    """The manifest with this content.

    Raises:
        InvalidManifest: it has faults. Nothing of it counts then.
    """
    reader = _Reader(TomlFile.parse(content, name))
    manifest = reader.read()
    if reader.faults:
        raise InvalidManifest(reader.faults)
    return manifest


class _Reader:
    """Reads one file, and collects its faults."""

    def __init__(self, file: TomlFile) -> None:
        self.faults: list[Fault] = []
        self._file = file
        self._environments: dict[str, str] = {}

    def read(self) -> Manifest:
        for name in self._file.data:
            if name not in TABLES:
                near = did_you_mean(name, TABLES)
                self._fault([name], f"there is no such table.{near}")
        self._environments = dict(self._bound())
        apps = self._table([APPS], self._file.data.get(APPS, {}))
        read = {key: self._app(key, value) for key, value in apps.items()}
        return Manifest(self._file, self._environments, read)

    def _fault(self, path: Iterable[str], what: str) -> None:
        self.faults.append(self._file.fault([*path], what))
        if len(self.faults) == ENOUGH:
            raise InvalidManifest(self.faults)

    def _table(self, path: list[str], value: object) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self._fault(path, "it must be a table")
        return {}

    def _bound(self) -> Iterator[tuple[str, str]]:
        table = self._table([ENVIRONMENTS], self._file.data.get(ENVIRONMENTS, {}))
        names: dict[str, str] = {}
        for name, project_id in table.items():
            path = [ENVIRONMENTS, name]
            self._check_name(path, "the name of an environment")
            if name in AppTable.model_fields:
                self._fault(path, "the name of a setting cannot be that of an environment")
            if problem := problem_with(PROJECT_ID, project_id):
                self._fault(path, f"it must be a project id, in quotes: {problem}")
            elif project_id in names:
                self._fault(path, f"{names[project_id]} is bound to the same project")
            else:
                names[project_id] = name
            yield name, project_id if isinstance(project_id, str) else ""

    def _app(self, key: str, value: object) -> ManifestApp:
        path = [APPS, key]
        self._check_name(path, "the key of an app")
        table = self._table(path, value)
        inner = {
            name: each
            for name, each in table.items()
            if isinstance(each, dict) and name not in AppTable.model_fields
        }
        for name in inner:
            if name not in self._environments:
                near = did_you_mean(name, self._environments)
                self._fault([*path, name], f"there is no such environment.{near}")
        settings = {name: each for name, each in table.items() if name not in inner}
        app = ManifestApp(
            self._settings(path, settings),
            {name: self._settings([*path, name], each) for name, each in inner.items()},
        )
        if isinstance(value, dict):
            self._check_type(path, app)
        return app

    def _settings(self, path: list[str], table: Mapping[str, Any]) -> Given:
        known = {name: each for name, each in table.items() if name in AppTable.model_fields}
        for name in (name for name in table if name not in known):
            near = did_you_mean(name, AppTable.model_fields)
            self._fault([*path, name], f"there is no such setting.{near}")
        try:
            return AppTable.model_validate(known).body()
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                inner = [str(part) for part in problem["loc"]]
                self._fault([*path, *inner], in_words(problem))
            return table

    def _check_type(self, path: list[str], app: ManifestApp) -> None:
        """An app without a type exists in those environments alone that give it one."""
        if TYPE in app.settings:
            return
        if not app.overrides:
            self._fault(path, f"{TYPE} is missing")
        for name, override in app.overrides.items():
            if TYPE not in override:
                self._fault([*path, name], f"{TYPE} is missing, here or in {'.'.join(path)}")

    def _check_name(self, path: list[str], what: str) -> None:
        if not re.fullmatch(NAME, path[-1]):
            self._fault(path, f"{what} must be {NAME_IN_WORDS}")
