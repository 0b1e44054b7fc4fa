"""Full file systems, and files that cannot grow."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners and mount")


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing")
    return path


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A small file system."""
    with tempfile.TemporaryDirectory() as name:
        mount = [_program("mount"), "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", name]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("a tmpfs cannot be mounted here")
        try:
            yield Path(name)
        finally:
            subprocess.run([_program("umount"), "--lazy", name], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk; return the file that does it."""
    filler = disk / "rest"
    with contextlib.suppress(OSError), filler.open("wb", 0) as rest:
        while rest.write(bytes(512)):
            pass
    return filler


def make_read_only(disk: Path) -> None:
    """Make a disk read-only."""
    subprocess.run([_program("mount"), "-o", "remount,ro", disk], check=True)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Limit the size of files that this process writes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
