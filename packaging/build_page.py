"""Builds the page, with the packages that npm has installed."""

import json
import shutil
import subprocess
from pathlib import Path

from connected_apps_mcp.protocol.descriptions import describe
from connected_apps_mcp.protocol.resources.page import FILE, as_page_reads
from connected_apps_tools.catalogue.toolsets import CATALOGUE

FOLDER = Path(__file__).parents[1] / "page"
PAGE = FILE
LANDING = FILE.with_name("landing.html")
TOOLS = FOLDER / "sample/tools.json"


def tools() -> str:
    """The tools as the page reads them, as JSON."""
    described = [as_page_reads(describe(tool)) for tool in CATALOGUE if tool.listed_to != "links"]
    return json.dumps(described, indent=1) + "\n"


def run(script: str, *arguments: str) -> str:
    """Run a script of the page's package.json, and return what it prints.

    Raises:
        RuntimeError: there is no npm, or the script failed.
    """
    npm = shutil.which("npm")
    if not npm:
        raise RuntimeError("The build of the page needs npm, which comes with Node.js.")
    command = [npm, "run", "--silent", script, "--", *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


if __name__ == "__main__":
    TOOLS.write_text(tools())
    run("check")
    print(run("build") + run("build", "--landing"), end="")  # noqa: T201 - what it is for
