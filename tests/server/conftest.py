"""What tests of the server's rooms share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from server.audit.logs import log_in

from connected_apps_mcp.audit import AuditLog


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with a key, such as that of an audit log."""
    key = tmp_path / "key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    return key


@pytest.fixture
def full() -> Iterator[TextIO]:
    """A file that takes nothing."""
    with Path("/dev/full").open("w") as full:
        yield full


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an audit log that is still to be written."""
    return tmp_path / "audit"


@pytest.fixture
def log(folder: Path) -> AuditLog:
    """An audit log in one file."""
    return log_in(folder)
