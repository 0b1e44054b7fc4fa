"""The clients that `install` knows: where each has its configuration, and how an entry looks there.

The sources were read in November 2026. Tried with the clients themselves, on Linux: Claude Code
2.1, Codex 0.169, Gemini CLI 0.61, OpenCode 1.18, Copilot CLI 1.0 and Cline 3.0. The others are as
their documents say.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from connected_apps_mcp.settings.credentials import SettingsError
from connected_apps_mcp.settings.folders import home_folder

from .documents import Format
from .entries import Entry

Scope = Literal["user", "project"]

Shape = Callable[[Entry], dict[str, JsonValue]]


def _plain(entry: Entry) -> dict[str, JsonValue]:
    return {"command": entry.program, "args": [*entry.arguments]}


def _with_type(kind: str) -> Shape:
    return lambda entry: {"type": kind} | _plain(entry)


def _opencode(entry: Entry) -> dict[str, JsonValue]:
    return {"type": "local", "command": [*entry.command], "enabled": True}


def _goose(entry: Entry) -> dict[str, JsonValue]:
    return {
        "name": entry.name,
        "type": "stdio",
        "enabled": True,
        "cmd": entry.program,
        "args": [*entry.arguments],
        "envs": {},
        "timeout": 300,
    }


@dataclass(frozen=True)
class OwnCommand:
    """The command of a client that adds an entry to the configuration of the user.

    Such a command loses comments: VS Code writes the whole file anew, Codex the tables of servers.
    So it is for a new file, or for one that only the client writes.

    Attributes:
        program: its name on the PATH.
        add: the arguments that add an entry.
        remove: the arguments that remove it, if only the client writes the file.
    """

    program: str
    add: Callable[[Entry], list[str]]
    remove: Callable[[Entry], list[str]] | None = None


CLAUDE = OwnCommand(
    "claude",
    lambda entry: [
        *("mcp", "add-json", entry.name, json.dumps({"type": "stdio"} | _plain(entry))),
        *("--scope", "user"),
    ],
    lambda entry: ["mcp", "remove", entry.name, "--scope", "user"],
)
CODE = OwnCommand(
    "code",
    lambda entry: ["--add-mcp", json.dumps({"name": entry.name} | _plain(entry))],
)
CODEX = OwnCommand("codex", lambda entry: ["mcp", "add", entry.name, "--", *entry.command])


@dataclass(frozen=True)
class Client:
    """An MCP client.

    Attributes:
        key: its name on our command line.
        title: its name for people.
        source: the page of its own documentation with these facts.
        file: its configuration of the user. `{home}` is the user's folder; `{config}` the folder of
            applications of this system; `{xdg}` is ~/.config, or $XDG_CONFIG_HOME.
        windows: the file on Windows, if it is another one.
        project: its configuration in the folder of a project; None if it has none.
        format: the format of the file.
        path: where in the file its servers are.
        shape: the shape of an entry.
        own: its own command that adds servers.
        programs: programs on the PATH that show that it is on this machine.
        folder_variable: an environment variable with the folder of the file.
        folder_pointer: a file in the user's folder with the folder of the file.
    """

    key: str
    title: str
    source: str
    file: str
    windows: str | None = None
    project: str | None = None
    format: Format = "json"
    path: tuple[str, ...] = ("mcpServers",)
    shape: Shape = _plain
    own: OwnCommand | None = None
    programs: tuple[str, ...] = ()
    folder_variable: str | None = None
    folder_pointer: str | None = None

    def config(self, scope: Scope) -> Path | None:
        """Its configuration in this scope; None where it has none.

        Raises:
            SettingsError: the user has no home folder, or this folder is gone.
        """
        if scope == "project":
            return _here() / self.project if self.project else None
        template = (self.windows if sys.platform == "win32" else None) or self.file
        path = Path(template.format(**_folders()))
        folder = os.environ.get(self.folder_variable or "") or self._pointed()
        return Path(folder) / path.name if folder else path

    @property
    def is_here(self) -> bool:
        """Whether it seems to be on this machine: it has a program on the PATH, or a folder."""
        file = self.config("user")
        places = [file, file.parent] if file and file.parent != home_folder() else [file]
        return any(map(shutil.which, self.programs)) or any(
            os.access(place, os.F_OK) for place in places if place
        )

    def _pointed(self) -> str | None:
        if self.folder_pointer is None:
            return None
        try:
            folder = (home_folder() / self.folder_pointer).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return folder if folder.isprintable() else None


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SettingsError("This folder is gone. Change to another one.") from None


def _folders() -> Mapping[str, str]:
    home = home_folder()
    xdg = os.environ.get("XDG_CONFIG_HOME") or str(home / ".config")
    by_system = {
        "darwin": str(home / "Library" / "Application Support"),
        "win32": os.environ.get("APPDATA") or str(home / "AppData" / "Roaming"),
    }
    return {"home": str(home), "xdg": xdg, "config": by_system.get(sys.platform, xdg)}


CLIENTS: tuple[Client, ...] = (
    Client(
        key="claude-code",
        title="Claude Code",
        source="https://code.claude.com/docs/en/mcp",
        file="{home}/.claude.json",
        project=".mcp.json",
        shape=_with_type("stdio"),
        own=CLAUDE,
        programs=("claude",),
        folder_variable="CLAUDE_CONFIG_DIR",
    ),
    Client(
        key="claude-desktop",
        title="Claude Desktop",
        source="https://modelcontextprotocol.io/docs/develop/connect-local-servers",
        # INFERRED for Linux, which the page does not name.
        file="{config}/Claude/claude_desktop_config.json",
    ),
    Client(
        key="cursor",
        title="Cursor",
        source="https://cursor.com/docs/mcp",
        file="{home}/.cursor/mcp.json",
        project=".cursor/mcp.json",
        programs=("cursor",),
    ),
    Client(
        key="vscode",
        title="VS Code",
        source="https://code.visualstudio.com/docs/agents/reference/mcp-configuration",
        file="{config}/Code/User/mcp.json",
        project=".vscode/mcp.json",
        path=("servers",),
        shape=_with_type("stdio"),
        own=CODE,
        programs=("code",),
    ),
    Client(
        key="windsurf",
        title="Windsurf",
        source="https://docs.windsurf.com/windsurf/cascade/mcp",
        file="{home}/.codeium/windsurf/mcp_config.json",
        programs=("windsurf",),
    ),
    Client(
        key="zed",
        title="Zed",
        source="https://zed.dev/docs/ai/mcp",
        file="{xdg}/zed/settings.json",
        # https://github.com/zed-industries/zed, crates/paths/src/paths.rs
        windows="{config}/Zed/settings.json",
        project=".zed/settings.json",
        path=("context_servers",),
        programs=("zed", "zeditor"),
    ),
    Client(
        key="gemini-cli",
        title="Gemini CLI",
        source="https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/mcp-server.md",
        file="{home}/.gemini/settings.json",
        project=".gemini/settings.json",
        programs=("gemini",),
    ),
    Client(
        key="codex",
        title="Codex CLI",
        source="https://developers.openai.com/codex/mcp",
        file="{home}/.codex/config.toml",
        project=".codex/config.toml",
        format="toml",
        path=("mcp_servers",),
        own=CODEX,
        programs=("codex",),
        folder_variable="CODEX_HOME",
    ),
    Client(
        key="goose",
        title="Goose",
        source="https://block.github.io/goose/docs/guides/config-files",
        file="{xdg}/goose/config.yaml",
        windows="{config}/Block/goose/config/config.yaml",
        format="yaml",
        path=("extensions",),
        shape=_goose,
        programs=("goose",),
    ),
    Client(
        key="lm-studio",
        title="LM Studio",
        source="https://lmstudio.ai/docs/app/mcp",
        file="{home}/.lmstudio/mcp.json",
        programs=("lms",),
        # https://github.com/lmstudio-ai/lmstudio-js, findLMStudioHome.ts
        folder_variable="LMSTUDIO_HOME",
        folder_pointer=".lmstudio-home-pointer",
    ),
    Client(
        key="cline",
        title="Cline",
        source="https://docs.cline.bot/getting-started/config",
        file="{home}/.cline/data/settings/cline_mcp_settings.json",
        programs=("cline",),
    ),
    Client(
        key="copilot-cli",
        title="GitHub Copilot CLI",
        source="https://docs.github.com/en/copilot/how-tos/copilot-cli/customize-copilot"
        "/add-mcp-servers",
        file="{home}/.copilot/mcp-config.json",
        project=".mcp.json",
        shape=_with_type("stdio"),
        programs=("copilot",),
        folder_variable="COPILOT_HOME",
    ),
    Client(
        key="opencode",
        title="OpenCode",
        source="https://opencode.ai/docs/mcp-servers",
        file="{xdg}/opencode/opencode.json",
        project="opencode.json",
        path=("mcp",),
        shape=_opencode,
        programs=("opencode",),
    ),
    Client(
        key="kiro",
        title="Kiro",
        source="https://kiro.dev/docs/mcp/configuration",
        file="{home}/.kiro/settings/mcp.json",
        project=".kiro/settings/mcp.json",
        programs=("kiro", "kiro-cli"),
    ),
)

BY_KEY: Mapping[str, Client] = {client.key: client for client in CLIENTS}
