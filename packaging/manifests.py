"""Writes the files that describe the project to others: `make manifests`.

`--check` only says which of them are out of date.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from links import ENTRIES
from options import CREDENTIALS, OPTIONS, SWITCHES_OF_PROFILES, Option
from project import ROOT, SERVER, TITLE, read_project

Manifest = dict[str, Any]

PROJECT = read_project()

REGISTRY_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

PLUGIN = "packaging/claude-code"

PLUGIN_FORM = [option for option in OPTIONS if option.key not in SWITCHES_OF_PROFILES]
"""The settings of the plugin. A profile has the credentials, and the other settings."""


def _variable(option: Option) -> Manifest:
    """An option in the form of the MCP registry."""
    default = {"default": json.dumps(option.default) if option.kind == "boolean" else ""}
    return {
        "name": option.variable,
        "description": option.description,
        "format": option.kind,
        "isSecret": option.secret,
    } | (default if option.default else {})


def registry_entry() -> Manifest:
    """`server.json`: the entry in the MCP registry."""
    return {
        "$schema": REGISTRY_SCHEMA,
        "name": PROJECT.registry_name,
        "title": TITLE,
        "description": PROJECT.description,
        "version": PROJECT.version,
        "repository": {"url": PROJECT.home, "source": "github"},
        "packages": [
            {
                "registryType": "pypi",
                "identifier": PROJECT.name,
                "version": PROJECT.version,
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "environmentVariables": [*map(_variable, [*OPTIONS, *CREDENTIALS])],
            }
        ],
    }


def user_config(options: list[Option]) -> Manifest:
    """The options as a form, which Claude Desktop and Claude Code show."""
    return {
        option.key: {
            "type": option.kind,
            "title": option.title,
            "description": option.description,
            "default": option.default,
        }
        | ({"sensitive": True} if option.secret else {})
        for option in options
    }


def environment(options: list[Option]) -> dict[str, str]:
    """The variables of the server, filled in from such a form."""
    return {option.variable: f"${{user_config.{option.key}}}" for option in options}


def about() -> Manifest:
    """What several manifests say about the project."""
    return {
        "version": PROJECT.version,
        "description": PROJECT.description,
        "author": {"name": PROJECT.author},
        "license": PROJECT.license,
        "keywords": PROJECT.keywords,
    }


def plugin() -> Manifest:
    """The plugin for Claude Code."""
    return {
        "name": SERVER,
        **about(),
        "homepage": PROJECT.home,
        "repository": PROJECT.home,
        "userConfig": user_config(PLUGIN_FORM),
    }


def plugin_servers() -> Manifest:
    """The server that the plugin starts."""
    return {
        "mcpServers": {
            SERVER: {"command": "uvx", "args": [PROJECT.name], "env": environment(PLUGIN_FORM)}
        }
    }


def marketplace() -> Manifest:
    """The list of plugins that this repository offers to Claude Code."""
    return {
        "name": PROJECT.name,
        "owner": {"name": PROJECT.author},
        "metadata": {"description": PROJECT.description},
        "plugins": [{"name": SERVER, "source": f"./{PLUGIN}", "description": PROJECT.description}],
    }


def gemini_extension() -> Manifest:
    """The extension for Gemini CLI: the sandbox, and the project of the person who logged in."""
    return {
        "name": SERVER,
        "version": PROJECT.version,
        "description": PROJECT.description,
        "mcpServers": {entry.name: entry.config for entry in ENTRIES},
    }


MANIFESTS: Mapping[str, Callable[[], Manifest]] = {
    "server.json": registry_entry,
    ".claude-plugin/marketplace.json": marketplace,
    f"{PLUGIN}/.claude-plugin/plugin.json": plugin,
    f"{PLUGIN}/.mcp.json": plugin_servers,
    "packaging/gemini/gemini-extension.json": gemini_extension,
}


def text_of(manifest: Manifest) -> str:
    """A manifest, as its file has it."""
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def outdated(root: Path = ROOT) -> list[str]:
    """The files that are missing or not as they have to be."""
    return [
        name
        for name, make in MANIFESTS.items()
        if not (root / name).exists() or (root / name).read_text("utf-8") != text_of(make())
    ]


def write(root: Path = ROOT) -> None:
    """Write every manifest."""
    for name, make in MANIFESTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text_of(make()), "utf-8")


def main() -> None:
    """Write the manifests, or check them."""
    if sys.argv[1:] != ["--check"]:
        write()
    elif found := outdated():
        raise SystemExit(f"Out of date: {', '.join(found)}. Run make manifests.")


if __name__ == "__main__":
    main()
