"""Builds the page, with npm, and its variant on made-up apps."""

import json
import shutil
import subprocess
from pathlib import Path

from connected_apps_mcp.protocol.descriptions import describe
from connected_apps_tools.catalogue.toolsets import CATALOGUE

FOLDER = Path(__file__).parents[1] / "page"
PAGE = FOLDER.parent / "server/connected_apps_mcp/page/page.html"
SAMPLE = FOLDER / "build/sample.html"
TOOLS = FOLDER / "sample/tools.json"
SHOWN = {"name", "title", "description", "input_schema"}


class NodeMissing(Exception):
    """Node.js or npm is not here, or npm cannot install the packages."""


def tools() -> str:
    """The tools as the page reads them, as JSON."""
    described = [
        describe(tool).model_dump(mode="json", by_alias=True, include=SHOWN, exclude_none=True)
        for tool in CATALOGUE
    ]
    return json.dumps(described, indent=1) + "\n"


def install() -> None:
    """Install what the build needs, at first use.

    Raises:
        NodeMissing: it cannot be built here.
    """
    if not shutil.which("npm"):
        raise NodeMissing("Node.js and npm are not here")
    # npm writes this file last.
    if not (FOLDER / "node_modules/.package-lock.json").exists():
        done = _npm("install", "--no-package-lock", "--no-audit", "--no-fund")
        if done.returncode:
            raise NodeMissing(f"npm cannot install the packages: {done.stderr.strip()}")


def run(script: str, *arguments: str) -> str:
    """Run a script of the page's package.json, and return what it prints.

    Raises:
        RuntimeError: the script failed.
    """
    done = _npm("run", "--silent", script, "--", *arguments)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def _npm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["npm", *arguments]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603 - our own command


if __name__ == "__main__":
    TOOLS.write_text(tools())
    install()
    run("check")
    print(run("build"), end="")  # noqa: T201 - what it is for
