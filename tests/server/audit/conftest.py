"""What all tests of the audit log share."""

from pathlib import Path

import pytest
from server.audit.logs import log_in

from connected_apps_mcp.audit import AuditLog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the log is to be."""
    return tmp_path / "audit"


@pytest.fixture
def log(folder: Path) -> AuditLog:
    """A log in one file."""
    return log_in(folder)
