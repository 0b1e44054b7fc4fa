"""A manifest: the apps that a project should have, for each of its environments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connected_apps_tools.manifest.settings import TYPE, Settings, normalised
from connected_apps_tools.text.printable import printable

from .faults import InvalidManifest
from .toml_file import TomlFile

Given = Mapping[str, Any]
"""Settings as a table of the manifest names them."""


@dataclass(frozen=True)
class ManifestApp:
    """The tables of one app.

    Attributes:
        settings: what all environments share.
        overrides: what differs, by environment.
    """

    settings: Given
    overrides: Mapping[str, Given]

    def in_environment(self, name: str | None) -> Settings | None:
        """All its settings in an environment; None where it has no type and so does not exist."""
        given = {**self.settings, **self.overrides.get(name or "", {})}
        return normalised(given) if TYPE in given else None


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read without a fault.

    Attributes:
        file: what it was read from.
        environments: the project id of each.
        apps: each app by its key.
    """

    file: TomlFile
    environments: Mapping[str, str]
    apps: Mapping[str, ManifestApp]

    def environment_of(self, project_id: str) -> str | None:
        """The environment that is bound to a project; None if the manifest binds none at all.

        Raises:
            InvalidManifest: it binds others, but not this one.
        """
        for name, bound in self.environments.items():
            if bound == project_id:
                return name
        if not self.environments:
            return None
        what = f"no environment is bound to the project {printable(project_id)}; add a line for it"
        raise InvalidManifest([self.file.fault(["environments"], what)])

    def wanted_in(self, environment: str | None) -> dict[str, Settings]:
        """The settings of each app that should be in an environment, by its key."""
        apps = {key: app.in_environment(environment) for key, app in self.apps.items()}
        return {key: settings for key, settings in apps.items() if settings is not None}
