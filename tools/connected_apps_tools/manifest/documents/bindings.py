"""The bindings: which app of a project each key of a manifest is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from connected_apps_tools.api.service import is_live
from connected_apps_tools.manifest.types import CLIENT_ID, PROJECT_ID, problem_with
from connected_apps_tools.text.printable import printable

from .faults import Fault, InvalidManifest
from .toml_file import NAME, NAME_IN_WORDS, TomlFile

BINDINGS_FILE = "apps.lock.toml"

HEAD = """\
# Which app of a project each key of apps.toml is. The command writes this file; commit both.
"""

OF_ENVIRONMENT = re.compile(r"connected-app-(test|live)-")
"""How the service's own client ids begin (KNOWN)."""


@dataclass(frozen=True)
class Bindings:
    """The client id of each key, by project id."""

    by_project: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, project_id: str) -> Mapping[str, str]:
        """The client id of each key in a project."""
        return self.by_project.get(project_id, {})

    def with_bound(self, project_id: str, bound: Mapping[str, str]) -> "Bindings":
        """The same with more keys bound in a project, or bound to other apps."""
        return Bindings({**self.by_project, project_id: {**self.of(project_id), **bound}})

    def without(self, project_id: str, client_ids: Iterable[str]) -> "Bindings":
        """The same without these apps of a project."""
        gone = set(client_ids)
        left = {key: each for key, each in self.of(project_id).items() if each not in gone}
        return Bindings({**self.by_project, project_id: left})

    def text(self) -> str:
        """The file, sorted: one line for each key."""
        lines = []
        for project_id, bound in sorted(self.by_project.items()):
            lines += [f"\n[{project_id}]\n"] if bound else []
            lines += [f'{key} = "{bound[key]}"\n' for key in sorted(bound)]
        return HEAD + "".join(lines)


def read_bindings(content: bytes | str, name: str = BINDINGS_FILE) -> Bindings:
    """The bindings with this content; an empty file binds nothing.

    Raises:
        InvalidManifest: it has faults. Nothing of it counts then.
    """
    file = TomlFile.parse(content, name)
    if faults := list(_faults(file)):
        raise InvalidManifest(faults)
    return Bindings(file.data)


def _faults(file: TomlFile) -> Iterator[Fault]:
    keys: dict[str, str] = {}
    for project_id, bound in file.data.items():
        if problem := problem_with(PROJECT_ID, project_id):
            yield file.fault([project_id], f"it must be a project id: {problem}")
        if not isinstance(bound, dict):
            yield file.fault([project_id], "it must be a table")
            continue
        for key, client_id in bound.items():
            if not re.fullmatch(NAME, key):
                what = f"the key of an app must be {NAME_IN_WORDS}"
            elif problem := problem_with(CLIENT_ID, client_id):
                what = f"it must be a client id, in quotes: {problem}"
            elif _is_of_another(project_id, client_id):
                what = "this app is of another project"
            elif other := keys.get(client_id):
                what = f"{printable(other)} is bound to the same app"
            else:
                keys[client_id] = f"{project_id}.{key}"
                continue
            yield file.fault([project_id, key], what)


def _is_of_another(project_id: str, client_id: str) -> bool:
    """Whether an app is not of the environment of a project, so that the project cannot have it."""
    found = OF_ENVIRONMENT.match(client_id)
    return bool(found) and (found[1] == "live") != is_live(project_id)  # type: ignore[index]
