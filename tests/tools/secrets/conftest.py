"""Fixtures of the tests of secrets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import project_on
from tools.secrets.faults import Watched

from connected_apps_tools import ToolContext


@pytest.fixture
def wire() -> Watched:
    return Watched()


@pytest.fixture
async def project(wire: Watched, tmp_path: Path) -> AsyncIterator[ToolContext]:
    async with project_on(wire, folder=tmp_path) as project:
        yield project
