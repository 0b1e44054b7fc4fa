"""What tests of the server's rooms share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest


@pytest.fixture
def where(tmp_path: Path) -> list[str]:
    """The flags of one sandbox with one store, for any number of processes."""
    return [
        "--sandbox",
        "--sandbox-db",
        str(tmp_path / "apps.sqlite3"),
        "--secret-store",
        "file",
        "--data-dir",
        str(tmp_path / "data"),
    ]


@pytest.fixture
def full() -> Iterator[TextIO]:
    """A file that takes nothing."""
    with Path("/dev/full").open("w") as full:
        yield full
