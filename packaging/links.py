"""Links that add the server to a client with one click. No link holds a credential."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from project import SANDBOX_SERVER, SERVER, TITLE, read_project

PROJECT = read_project()


class Entry(NamedTuple):
    """What a link adds to a client."""

    name: str
    title: str
    flags: Sequence[str]

    @property
    def config(self) -> dict[str, object]:
        """The entry, as most clients write it."""
        return {"command": "uvx", "args": [PROJECT.name, *self.flags]}


ENTRIES = [
    Entry(SANDBOX_SERVER, "the sandbox", ["--sandbox"]),
    Entry(SERVER, "your project", []),
]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _query(*parameters: tuple[str, str]) -> str:
    return urlencode(parameters, quote_via=quote)


def _base64_link(page: str) -> Callable[[Entry], str]:
    def link(entry: Entry) -> str:
        config = b64encode(_json(entry.config).encode()).decode()
        return f"{page}?{_query(('name', entry.name), ('config', config))}"

    return link


def _vscode(entry: Entry) -> str:
    query = _query(("name", entry.name), ("config", _json(entry.config)))
    return f"https://insiders.vscode.dev/redirect/mcp/install?{query}"


def _goose(entry: Entry) -> str:
    query = _query(
        ("cmd", "uvx"),
        *(("arg", argument) for argument in [PROJECT.name, *entry.flags]),
        ("id", entry.name),
        ("name", f"{TITLE}: {entry.title}"),
        ("description", PROJECT.description),
    )
    return f"https://block.github.io/goose/extension?{query}"


LINKS: Mapping[str, Callable[[Entry], str]] = {
    "Cursor": _base64_link("https://cursor.com/en/install-mcp"),
    "VS Code": _vscode,
    "LM Studio": _base64_link("https://lmstudio.ai/install-mcp"),
    "Goose": _goose,
}
"""How each client takes an entry.

Pages of the clients that open the client: a README on GitHub can link to no other scheme.

Sources: Cursor https://cursor.com/docs/mcp/install-links, LM Studio
https://lmstudio.ai/docs/app/mcp/deeplink. VS Code and Goose: the links that the READMEs of
github/github-mcp-server and microsoft/playwright-mcp have.
"""


def markdown() -> str:
    """The links, for the README."""
    return "".join(
        f"- Add {entry.title} to "
        + ", ".join(f"[{client}]({link(entry)})" for client, link in LINKS.items())
        + "\n"
        for entry in ENTRIES
    )


def registry_line() -> str:
    """The line by which the MCP registry knows that the package belongs to its entry."""
    return f"<!-- mcp-name: {PROJECT.registry_name} -->\n"
