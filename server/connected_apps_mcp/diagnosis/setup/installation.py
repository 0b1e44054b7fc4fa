"""Checks the command, and the Python that runs it."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions, metadata, version
from importlib.util import find_spec
from pathlib import Path

from connected_apps_mcp.client_configs.entries import PROGRAM
from connected_apps_mcp.client_configs.launch import installed
from connected_apps_mcp.diagnosis.check import Machine, Result, broken, ok, warning
from connected_apps_mcp.wiring import program
from connected_apps_tools.text.command_lines import command_line

VERSION_SECONDS = 5.0


def installed_command(_machine: Machine) -> Iterator[Result]:
    """Whether there is one copy of the command, and which one runs."""
    ours = Path(installed()[0])
    yield ok(f"{PROGRAM} {version(PROGRAM)} in {ours.parent}.")
    copies = {each.resolve(): each for each in reversed(_on_path())}
    others = [each for real, each in copies.items() if real != ours.resolve()]
    for other in reversed(others):
        yield warning(
            f"PATH also leads to {other}: {_version_of(other)}.",
            f"Keep one copy: remove that one, or start it as: {command_line(program())}",
        )
    dists = {str(each.locate_file("")) for each in distributions(name=PROGRAM)}
    if len(dists) > 1:
        yield warning(
            f"It is installed twice: in {' and in '.join(sorted(dists))}.",
            f"Remove both, then install it again: {sys.executable} -m pip uninstall {PROGRAM}",
        )


def python(_machine: Machine) -> Iterator[Result]:
    """Whether this Python will do, and has what makes the server fast."""
    found, needed = platform.python_version(), str(metadata(PROGRAM)["Requires-Python"])
    least = re.search(r">=\s*([\d.]+)", needed)
    if least and sys.version_info < tuple(map(int, least[1].split("."))):
        yield broken(
            f"Python {found} is older than {PROGRAM} allows ({needed}).",
            f"Install it with a newer Python: uv tool install --python 3.13 {PROGRAM}",
        )
    yield ok(f"Python {found}, {sys.executable}.")
    if sys.platform != "win32" and find_spec("uvloop") is None:
        yield warning(
            "The package uvloop is missing: the server is slower than it can be.",
            f"Install it: {sys.executable} -m pip install uvloop",
        )


def _on_path() -> list[Path]:
    """The commands of our name in the folders of PATH, in their order."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = (shutil.which(PROGRAM, path=folder) for folder in folders if folder)
    return [Path(each) for each in found if each]


def _version_of(program: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return "it does not start"
    return f"version {done.stdout.split()[-1]}" if done.stdout.split() else "it has no version"
