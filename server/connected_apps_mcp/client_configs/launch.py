"""The command that will still start this server tomorrow."""

import json
import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from .entries import MODULE, PROGRAM

RUNNERS = {
    # The folders in which each makes environments that it may remove at any time.
    "uvx": ("archive-v0", "environments-v2", "builds-v0"),
    "pipx": (".cache", "pipx_run"),
}


class NotLasting(Exception):
    """No command of tomorrow is known. The text says the way out."""


def launch() -> tuple[str, ...]:
    """The words that start this program, with an absolute path.

    An environment that `uvx` or `pipx run` made for one run may be gone tomorrow: then it is that
    call. Else it is the program in the user's folder for programs, where `uv tool` and `pipx` link
    it, or the one in the virtual environment.

    Raises:
        NotLasting: the environment is for one run, and what made it is not found.
    """
    return _by_runner() or installed()


def installed() -> tuple[str, ...]:
    """The words that start this program in the environment that runs now."""
    return _linked() or _script() or _module()


def on_path() -> Path | None:
    """The program that a shell would start."""
    found = shutil.which(PROGRAM)
    return Path(found).absolute() if found else None


def _by_runner() -> tuple[str, ...] | None:
    parts = set(Path(sys.prefix).parts)
    if parts & set(RUNNERS["uvx"]):
        return (_found("uvx"), *_source("--from"), PROGRAM)
    if "pipx" in parts and parts & set(RUNNERS["pipx"]):
        return (_found("pipx"), "run", *_source("--spec"), PROGRAM)
    return None


def _found(runner: str) -> str:
    # uv says in a variable where it is.
    beside = str(Path(os.environ.get("UV", "")).parent)
    found = shutil.which(runner) or shutil.which(runner, path=beside)
    if not found:
        raise NotLasting(
            f"{sys.prefix} is an environment for one run, and {runner} is not on the PATH. Add it "
            f"to the PATH, or install the program: uv tool install {PROGRAM}."
        )
    return str(Path(found).absolute())


def _source(flag: str) -> list[str]:
    """Where the package came from, if that is not the index."""
    try:
        text = distribution(PROGRAM).read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    origin = json.loads(text or "{}")
    if version := origin.get("vcs_info"):
        return [flag, f"{version['vcs']}+{origin['url']}@{version['commit_id']}"]
    return [flag, origin["url"]] if origin else []


def _linked() -> tuple[str, ...] | None:
    script, found = _script(), on_path()
    return (str(found),) if script and found and found.samefile(script[0]) else None


def _script() -> tuple[str, ...] | None:
    # Not resolved: the Python of a virtual environment is a link to another one.
    suffix = ".exe" if sys.platform == "win32" else ""
    script = Path(sys.executable).with_name(PROGRAM + suffix)
    return (str(script),) if script.exists() else None


def _module() -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", MODULE)
