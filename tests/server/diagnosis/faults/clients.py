"""Faults of entries in the configurations of clients."""

import json
import os
from pathlib import Path

from support import SERVER

from .planting import CANARY, Planting, fault, write


def _cursor(entry: dict[str, object]) -> None:
    text = json.dumps({"mcpServers": {"connected-apps": entry}})
    write(Path(os.environ["HOME"], ".cursor", "mcp.json"), text)


@fault("an entry of a command that is gone", "clients", remedy="install cursor --scope user")
def _gone_command(_on: Planting) -> None:
    _cursor({"command": "/nowhere/connected-apps-mcp", "args": ["--sandbox"]})


@fault("an entry without a project", "clients", remedy="install cursor --scope user")
def _no_project(_on: Planting) -> None:
    _cursor({"command": SERVER[0], "args": SERVER[1:]})


@fault("a secret in an entry", "clients", remedy="login, then .*install cursor", state="warning")
def _secret_in_entry(_on: Planting) -> None:
    args, secret = [*SERVER[1:], "--sandbox"], {"STYTCH_SECRET": CANARY}
    _cursor({"command": SERVER[0], "args": args, "env": secret})


@fault("a damaged configuration", "clients", remedy="Correct the file", state="warning")
def _damaged_configuration(_on: Planting) -> None:
    write(Path(os.environ["HOME"], ".cursor", "mcp.json"), '{"connected-apps-mcp": ')
