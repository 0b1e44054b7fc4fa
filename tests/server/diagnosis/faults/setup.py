"""Faults of settings, profiles, the policy, the sandbox and the installation."""

import os
import sys
from pathlib import Path

from pydantic import SecretStr
from server.diagnosis.machines import Desk

from connected_apps_mcp.settings.profiles import Profile, Profiles

from .planting import CANARY, Planting, fault, simple, write

simple("a malformed flag", "settings", remedy="--deadline", flags={"deadline": "soon"})
simple(
    "a malformed variable",
    "settings",
    remedy="CONNECTED_APPS_MCP_LOG_LEVEL",
    environment={"CONNECTED_APPS_MCP_LOG_LEVEL": "loud"},
)
simple(
    "settings that contradict each other",
    "settings",
    remedy="--sandbox-db",
    flags={"sandbox-db": "PATH/apps.sqlite3"},
)
simple("an unknown toolset", "settings", remedy="--toolsets", flags={"toolsets": "apps,everything"})
simple(
    "an unknown variable",
    "variables",
    remedy="unset CONNECTED_APPS_MCP_TOLSETS",
    environment={"CONNECTED_APPS_MCP_TOLSETS": CANARY},
)
simple("an unknown profile", "settings", remedy="--profile", flags={"profile": "nowhere"})


def keep_in_profile(desk: Desk, name: str) -> None:
    """Keep the credentials in a profile."""
    taken = desk.environment.pop
    profile = Profile(project_id=taken("STYTCH_PROJECT_ID"), secret_in="file")
    Profiles().put(name, profile, SecretStr(taken("STYTCH_SECRET")))


def config() -> Path:
    return Path(os.environ["HOME"], ".config", "connected-apps-mcp")


@fault("a profile that lost its secret", "credentials", remedy="login --profile default")
def _lost_secret(on: Planting) -> None:
    keep_in_profile(on.desk, "default")
    (config() / "credentials" / "default").unlink()


@fault(
    "another profile that lost its secret",
    "profiles",
    remedy="login --profile live.*logout --profile live",
    state="warning",
)
def _lost_other_secret(on: Planting) -> None:
    environment = dict(on.desk.environment)
    keep_in_profile(on.desk, "live")
    on.desk.environment = environment
    (config() / "credentials" / "live").unlink()


@fault("a damaged profile", "profiles", remedy="login --profile old", state="warning")
def _damaged_profile(on: Planting) -> None:
    environment = dict(on.desk.environment)
    keep_in_profile(on.desk, "old")
    on.desk.environment = environment
    (config() / "profiles" / "old.toml").write_text("project_id = ")


def _policy(on: Planting, text: str) -> None:
    on.desk.flags["policy"] = str(write(on.desk.folder / "policy.toml", text))


@fault("a policy that is not TOML", "policy", remedy="policy check --policy .*policy.toml")
def _broken_policy(on: Planting) -> None:
    _policy(on, "redirect_hosts = [")


@fault("a rule that there is not", "policy", remedy="policy check")
def _unknown_rule(on: Planting) -> None:
    _policy(on, "redirect_host = []")


@fault("a flag that is laxer than the policy", "policy", remedy="policy check")
def _lax_flag(on: Planting) -> None:
    _policy(on, 'reveal = "never"')
    on.desk.flags["reveal"] = "allow"


@fault("a destination with an unknown command", "destinations", remedy="Install the command")
def _unknown_command(on: Planting) -> None:
    _policy(on, '[destinations.github]\ncommand = ["nowhere-to-be-found"]')


def _to_file(on: Planting, path: Path) -> None:
    _policy(on, f'[destinations.env]\nfile = "{path}"\nkey = "CLIENT_SECRET"')


@fault("a destination in a folder that is not there", "destinations", remedy="name another file")
def _no_folder_of_file(on: Planting) -> None:
    _to_file(on, on.desk.folder / "nowhere" / ".env")


@fault(
    "a destination that others can read", "destinations", remedy="chmod 600 .*env", state="warning"
)
def _open_file(on: Planting) -> None:
    _to_file(on, write(on.desk.folder / "open.env", f"CLIENT_SECRET={CANARY}\n", 0o644))


simple(
    "a policy that is not there",
    "policy",
    remedy="policy check",
    flags={"policy": "PATH/nowhere.toml"},
)


def _sandbox(on: Planting, file: Path) -> None:
    del on.desk.flags["base-url"]
    on.desk.flags |= {"sandbox": "", "sandbox-db": str(file)}


@fault("a file that is no sandbox", "sandbox", remedy="--sandbox-db")
def _no_database(on: Planting) -> None:
    _sandbox(on, write(on.desk.folder / "apps.sqlite3", "These are no apps. " * 50))


@fault("a sandbox in a folder that is not there", "sandbox", remedy="mkdir -p .*nowhere")
def _no_folder(on: Planting) -> None:
    _sandbox(on, on.desk.folder / "nowhere" / "apps.sqlite3")


@fault("another copy first on PATH", "command", remedy="Keep one copy", state="warning")
def _another_copy(on: Planting) -> None:
    script = "#!/bin/sh\necho connected-apps-mcp, version 0.0.7\n"
    copy = write(on.desk.folder / "bin" / "connected-apps-mcp", script, 0o700)
    on.desk.environment["PATH"] = f"{copy.parent}{os.pathsep}{os.environ['PATH']}"


@fault("a copy on PATH that does not start", "command", remedy="remove that one", state="warning")
def _dead_copy(on: Planting) -> None:
    copy = write(on.desk.folder / "bin" / "connected-apps-mcp", "#!/nowhere/python\n", 0o700)
    on.desk.environment["PATH"] = f"{os.environ['PATH']}{os.pathsep}{copy.parent}"


@fault("two installations in one Python", "command", remedy="pip uninstall", state="warning")
def _installed_twice(on: Planting) -> None:
    metadata = "Metadata-Version: 2.1\nName: connected-apps-mcp\nVersion: 0.0.7\n"
    write(on.desk.folder / "old" / "connected_apps_mcp-0.0.7.dist-info" / "METADATA", metadata)
    on.patch.setattr(sys, "path", [*sys.path, str(on.desk.folder / "old")])


@fault("no uvloop", "python", remedy="pip install uvloop", state="warning")
def _no_uvloop(on: Planting) -> None:
    on.patch.setattr("connected_apps_mcp.commands.common.HAS_UVLOOP", False)
    on.patch.setitem(sys.modules, "uvloop", None)
