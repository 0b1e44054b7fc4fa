"""Builds the bundle for Claude Desktop (MCPB) from the wheel in dist/: `make bundle`.

Its server has the type `uv`: the client installs Python and what the wheel needs, for the machine
that it runs on. The type `python` would need wheels of compiled dependencies for each system, each
processor and each version of Python in one bundle.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from connected_apps_tools import TOOLSETS
from manifests import Manifest, about, environment, text_of, user_config
from options import CREDENTIALS, OPTIONS
from project import ROOT, TITLE, read_project

PROJECT = read_project()

START = "start.py"
"""Starts the server. Some clients run this file and leave out the command of the manifest."""

FORM = [OPTIONS[0], *CREDENTIALS, *OPTIONS[1:]]
"""The settings of the bundle: whether it is the sandbox, else which project; then the others."""


def manifest() -> Manifest:
    """The manifest of the bundle."""
    first, last = PROJECT.pythons[0], PROJECT.pythons[-1]
    _, newest_minor = map(int, last.split("."))
    return {
        "manifest_version": "0.4",
        "name": PROJECT.name,
        "display_name": TITLE,
        **about(),
        "repository": {"type": "git", "url": PROJECT.home},
        "homepage": PROJECT.home,
        "server": {
            "type": "uv",
            "entry_point": START,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", START],
                "env": environment(FORM),
            },
        },
        "tools": [
            {"name": tool.name, "description": tool.description}
            for members in TOOLSETS.values()
            for tool in members
            if tool.listed_to == "everybody"
        ],
        "user_config": user_config(FORM),
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": f">={first} <3.{newest_minor + 1}"},
        },
    }


def environment_of(wheel: str) -> str:
    """The pyproject.toml of the bundle: the wheel, and the versions that were tested with it."""
    tested = [
        line
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    return "\n".join(
        [
            "[project]",
            f'name = "{PROJECT.name}-bundle"',
            f'version = "{PROJECT.version}"',
            f'requires-python = ">={PROJECT.pythons[0]}"',
            f'dependencies = ["{PROJECT.name}"]',
            "",
            "[tool.uv]",
            "package = false",
            f'sources = {{ {PROJECT.name} = {{ path = "{wheel}" }} }}',
            "constraint-dependencies = [",
            *(f'    "{pin}",' for pin in tested),
            "]",
            "",
        ]
    )


def stage(wheel: Path, folder: Path) -> None:
    """Lay out the files of the bundle in a new folder."""
    folder.mkdir(parents=True)
    shutil.copy(wheel, folder)
    shutil.copy(ROOT / "LICENSE", folder)
    (folder / "manifest.json").write_text(text_of(manifest()), "utf-8")
    (folder / "pyproject.toml").write_text(environment_of(wheel.name), "utf-8")
    shutil.copy(ROOT / "packaging" / START, folder)


def pack(folder: Path, bundle: Path) -> None:
    """Check the manifest and pack the folder, with the official tool.

    Raises:
        subprocess.CalledProcessError: the tool refuses it.
    """
    tool = ROOT / "packaging" / "node" / "node_modules" / ".bin" / "mcpb"
    commands: list[list[str | Path]] = [
        ["validate", folder / "manifest.json"],
        ["pack", folder, bundle],
    ]
    for command in commands:
        subprocess.run([tool, *command], check=True, stdout=sys.stderr)  # noqa: S603 - our own


def build(dist: Path) -> Path:
    """Build the bundle of the wheel in a folder, beside it."""
    bundle = dist / f"{PROJECT.name}-{PROJECT.version}.mcpb"
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        stage(dist / PROJECT.wheel, folder)
        pack(folder, bundle)
    return bundle


def main() -> None:
    """Build the bundle of the wheel in dist/."""
    print(build(ROOT / "dist"))  # noqa: T201


if __name__ == "__main__":
    main()
