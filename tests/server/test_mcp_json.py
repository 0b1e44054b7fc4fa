"""mcp.json at the top of the checkout, read as a host reads it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from support import REAL

from connected_apps_tools import CATALOGUE, TOOLSETS

CHECKOUT = Path(__file__).parents[2]
ENTRIES: dict[str, dict[str, Any]] = json.loads((CHECKOUT / "mcp.json").read_text())["mcpServers"]


def expanded(entry: dict[str, Any]) -> StdioServerParameters:
    """An entry with the host's variables filled in, to be run from the checkout."""
    filled = re.sub(r"\$\{(\w+)\}", lambda name: REAL[name[1]], json.dumps(entry))
    return StdioServerParameters(**json.loads(filled), cwd=CHECKOUT)


@pytest.mark.parametrize("name", ENTRIES)
async def test_an_entry_starts_a_server_with_the_default_tools(name: str) -> None:
    off = {tool.name for tool in TOOLSETS["organizations"]}
    async with Client(expanded(ENTRIES[name])) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
    assert listed == {tool.name for tool in CATALOGUE} - off


async def test_the_sandbox_entry_works_on_the_sandbox() -> None:
    async with Client(expanded(ENTRIES["connected-apps-sandbox"])) as client:
        assert not (await client.call_tool("search_apps", {})).is_error


def test_no_entry_holds_a_credential() -> None:
    for entry in ENTRIES.values():
        assert all(value == f"${{{name}}}" for name, value in entry.get("env", {}).items())
