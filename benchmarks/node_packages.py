"""Programs that run on Node.js, with packages of npm."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class NodeMissing(Exception):
    """Node.js or npm is not here, or npm cannot install the packages."""


def node_for(folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Node.js, for a folder with a package.json. The packages are installed at first use.

    Args:
        folder: the folder.
        environment: the environment of npm; None for that of this process.

    Raises:
        NodeMissing: it cannot run here.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        raise NodeMissing("Node.js and npm are not here")
    with _alone(folder):
        # npm writes this file last.
        if not (folder / "node_modules" / ".package-lock.json").exists():
            install = [npm, "install", "--prefix", str(folder), "--no-package-lock", "--no-audit"]
            done = subprocess.run(  # noqa: S603 - our own command
                install, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise NodeMissing(f"npm cannot install the packages: {done.stderr.strip()}")
    return node


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time is here."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
