"""The bindings as a file, which another process may write too."""

from pathlib import Path

import click
import pytest

from connected_apps_mcp.commands.manifest.files import ManifestFiles
from connected_apps_tools.manifest.documents.bindings import Bindings

ONE, TWO = (Bindings({"project-test-1": {"a": each}}) for each in ("app-1", "app-2"))


@pytest.fixture
def files(tmp_path: Path) -> ManifestFiles:
    return ManifestFiles(tmp_path / "apps.toml")


def test_bindings_that_somebody_else_wrote_meanwhile_are_left_alone(files: ManifestFiles) -> None:
    assert files.write_bindings(Bindings(), TWO)
    with pytest.raises(click.ClickException, match="has just changed"):
        files.write_bindings(Bindings(), ONE)
    assert files.bindings() == TWO


def test_the_same_bindings_that_another_apply_wrote_meanwhile_are_fine(
    files: ManifestFiles,
) -> None:
    assert files.write_bindings(Bindings(), ONE)
    assert not files.write_bindings(Bindings(), ONE)
