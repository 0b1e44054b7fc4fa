"""The links that add the server to a client."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from links import ENTRIES, LINKS, PROJECT, Entry, registry_line
from project import ROOT

README = (ROOT / "README.md").read_text("utf-8")

Query = dict[str, list[str]]


def from_base64(query: Query) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.b64decode(query["config"][0], validate=True))
    return decoded


def from_json(query: Query) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(query["config"][0])
    return decoded


def from_parameters(query: Query) -> dict[str, Any]:
    return {"command": query["cmd"][0], "args": query["arg"]}


DECODED: dict[str, tuple[str, Callable[[Query], dict[str, Any]], str]] = {
    "Cursor": ("https://cursor.com/en/install-mcp", from_base64, "name"),
    "VS Code": ("https://insiders.vscode.dev/redirect/mcp/install", from_json, "name"),
    "LM Studio": ("https://lmstudio.ai/install-mcp", from_base64, "name"),
    "Goose": ("https://block.github.io/goose/extension", from_parameters, "id"),
}
"""The page of each client, how it reads an entry, and where it finds the name."""

EVERY_LINK = pytest.mark.parametrize(
    ("client", "entry"),
    [(client, entry) for client in LINKS for entry in ENTRIES],
    ids=lambda value: value if isinstance(value, str) else value.name,
)


@EVERY_LINK
def test_a_link_gives_the_client_the_entry(client: str, entry: Entry) -> None:
    page, decode, name = DECODED[client]
    url = urlsplit(LINKS[client](entry))
    query = parse_qs(url.query, strict_parsing=True)
    assert f"{url.scheme}://{url.netloc}{url.path}" == page
    assert decode(query) == {"command": "uvx", "args": [PROJECT.name, *entry.flags]}
    assert query[name] == [entry.name]


@EVERY_LINK
def test_a_link_of_the_readme_is_this_one(client: str, entry: Entry) -> None:
    assert f"[{client}]({LINKS[client](entry)})" in README


def test_an_entry_has_no_credential_and_no_variable() -> None:
    assert all(entry.config.keys() == {"command", "args"} for entry in ENTRIES)
    assert [list(entry.flags) for entry in ENTRIES] == [["--sandbox"], []]


def test_the_readme_has_the_line_that_the_registry_looks_for_once() -> None:
    assert registry_line() == f"<!-- mcp-name: {PROJECT.registry_name} -->\n"
    assert README.count("mcp-name:") == 1
    assert registry_line() in README
