"""mcp.json at the top of the checkout, read as a host reads it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from support import REAL, default_tools

from connected_apps_tools import ProjectKind

CHECKOUT = Path(__file__).parents[1]
ENTRIES: dict[str, dict[str, Any]] = json.loads((CHECKOUT / "mcp.json").read_text())["mcpServers"]


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the program on the PATH, as pipx and uv install it."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def started(entry: dict[str, Any], folder: Path) -> StdioServerParameters:
    """An entry, to be run from any folder by a client that passes the credentials on."""
    return StdioServerParameters(**entry, env=REAL, cwd=folder)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("name", "kind"),
    [("connected-apps-sandbox", "consumer"), ("connected-apps", None)],
)
async def test_an_entry_starts_a_server_with_the_default_tools_from_any_folder(
    name: str, kind: ProjectKind | None, tmp_path: Path
) -> None:
    async with Client(started(ENTRIES[name], tmp_path)) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
    assert listed == default_tools(kind)


@pytest.mark.usefixtures("_installed")
async def test_the_sandbox_entry_works_on_the_sandbox(tmp_path: Path) -> None:
    async with Client(started(ENTRIES["connected-apps-sandbox"], tmp_path)) as client:
        assert not (await client.call_tool("search_apps", {})).is_error


def test_no_entry_runs_what_lies_in_the_working_directory() -> None:
    assert {entry["command"] for entry in ENTRIES.values()} == {"connected-apps-mcp"}


def test_no_entry_holds_a_credential() -> None:
    assert not [name for name, entry in ENTRIES.items() if entry.keys() - {"command", "args"}]
