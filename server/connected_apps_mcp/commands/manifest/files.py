"""The manifest and the bindings beside it, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from connected_apps_tools.manifest.documents.bindings import Bindings, read_bindings
from connected_apps_tools.manifest.documents.faults import Fault, InvalidManifest
from connected_apps_tools.manifest.documents.manifest import Manifest
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.documents.toml_file import content_of
from connected_apps_tools.storage.owned_files import replace_unchanged

SHARED = 0o644
"""The permissions of a new file. It holds no secret, and is made to be committed."""


@dataclass(frozen=True)
class ManifestFiles:
    """A manifest and its bindings.

    Attributes:
        path: the manifest.
    """

    path: Path

    @property
    def bindings_path(self) -> Path:
        """The bindings: beside `apps.toml` they are `apps.lock.toml`."""
        return self.path.with_name(f"{self.path.stem}.lock.toml")

    def manifest(self) -> Manifest:
        """The manifest.

        Raises:
            InvalidManifest: there is none, or it has faults.
        """
        if found := self.manifest_if_any():
            return found
        what = "there is no such file; connected-apps-mcp export writes one"
        raise InvalidManifest([Fault(str(self.path), None, "", what)])

    def manifest_if_any(self) -> Manifest | None:
        """The manifest; None if there is none. Raises like `manifest`."""
        if not self.path.exists():
            return None
        return read_manifest(content_of(self.path), str(self.path))

    def bindings(self) -> Bindings:
        """The bindings; none if there is no file.

        Raises:
            InvalidManifest: they have faults.
        """
        path = self.bindings_path
        return read_bindings(content_of(path), str(path)) if path.exists() else Bindings()

    def write_manifest(self, earlier: Manifest | None, text: str) -> bool:
        """Write the manifest, unless it is as it should be. Return whether it was written.

        Raises:
            FileRefused: it cannot be written, or has changed since it was read.
        """
        return _written(self.path, earlier.file.text if earlier else None, text)

    def write_bindings(self, earlier: Bindings, bindings: Bindings) -> bool:
        """Write the bindings, unless they are as they should be. Like `write_manifest`."""
        path = self.bindings_path
        there = content_of(path).decode() if path.exists() else None
        found = earlier if there is None else read_bindings(there)
        if found == bindings:  # another apply, which had its turn meanwhile, may have written them
            return False
        if found != earlier:
            raise click.ClickException(f"{path} has just changed, so it was left alone.")
        return _written(path, there, bindings.text())


def _written(path: Path, earlier: str | None, text: str) -> bool:
    if text == earlier:
        return False
    there = None if earlier is None else earlier.encode()
    replace_unchanged(path, there, text.encode(), new_mode=SHARED)
    return True
