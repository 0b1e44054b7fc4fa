"""A folder of small files that nobody else can read, safe for several processes at once."""

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import StoreError

STALE_SECONDS = 3600
"""Age after which what an interrupted write left behind is swept away."""

ROOT = 0
"""The user who can read and write everything anyway."""

LOCK_POLL_SECONDS = 0.002
"""How often a lock that another process holds is asked for."""


class PrivateFolder:
    """A 0700 folder of 0600 files, each written whole or not at all.

    The folder is made when it is first written to. One that others can read or write, that another
    user owns or that is a symbolic link is refused. Every method raises `StoreError`.
    """

    def __init__(self, path: Path, *, within: Path | None = None) -> None:
        """Keep files in `path`.

        Args:
            path: the folder.
            within: a folder above it. Each use looks whether others can write there, since they
                could then put another folder of ours in the place of this one.
        """
        self.path = path
        self._within = within

    def check(self) -> None:
        """Prove that the folder can be written, by writing to it."""
        self._sweep()
        self.write(".probe", "")
        self.remove(".probe")

    def write(self, name: str, text: str) -> None:
        """Put a file there, in place of an earlier one. When this returns, it is on the disk."""
        with self._opened() as folder:
            draft = f".{name}.{secrets.token_hex(8)}.draft"
            try:
                self._write_draft(draft, text, folder)
                os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
                raise

    def _write_draft(self, draft: str, text: str, folder: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        if not self._exists():
            return False
        with self._opened() as folder:
            try:
                os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def read(self, name: str, *, unless_held: bool = False) -> str | None:
        """The text of a file, or None where there is none, or where a living process holds it."""
        if not self._exists():
            return None
        with self._opened() as folder:
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            except FileNotFoundError:
                return None
            # What is damaged must not fail here, but where it is known what the file is about.
            with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
                if unless_held and not _lock(descriptor, wait=False, shared=True):
                    return None
                return file.read()

    def hold(self, name: str, text: str) -> int:
        """Put a new file there, and lock it for as long as the descriptor returned is open.

        Nobody sees it before it is whole and locked.
        """
        with self._opened() as folder:
            draft = f".{name}.draft"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
            try:
                _lock(descriptor, wait=True)
                with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as file:
                    file.write(text)
                os.fsync(descriptor)
                os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except BaseException:
                os.close(descriptor)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
                raise
            return descriptor

    def try_lock(self, name: str) -> int | None:
        """Lock a file for as long as the descriptor returned is open; None where it is locked."""
        with self._opened() as folder:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            descriptor = os.open(name, flags, 0o600, dir_fd=folder)
        if _lock(descriptor, wait=False):
            return descriptor
        os.close(descriptor)
        return None

    @contextlib.contextmanager
    def locked(self, name: str, seconds: float) -> Iterator[None]:
        """Hold a lock that one process has at a time, and wait up to `seconds` for it."""
        deadline = time.monotonic() + seconds
        while (held := self.try_lock(name)) is None:
            if time.monotonic() > deadline:
                raise StoreError(f"{self.path / name} is held by another process.")
            time.sleep(LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            os.close(held)

    def append(self, name: str, data: bytes) -> None:
        """Add to a file that is there: all of it, or nothing. When this returns, it is on the disk.

        Only a process that is killed, or a disk that fails twice, leaves a part of it.
        """
        with self._opened() as folder:
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
            with os.fdopen(os.open(name, flags, dir_fd=folder), "ab", 0) as file:
                size = os.fstat(file.fileno()).st_size
                try:
                    write_all(file.fileno(), data)
                    os.fsync(file.fileno())
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(file.fileno(), size)
                    raise

    def cut(self, name: str, size: int) -> None:
        """Take away what a file holds beyond a size."""
        with self._opened() as folder:
            descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def read_from(self, name: str, start: int) -> bytes | None:
        """What a file holds from an offset on, or None where there is no such file."""
        with self._opened() as folder:
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                file.seek(start)
                return file.read()

    def create(self, name: str, text: str) -> bool:
        """Put a file there, unless there is one; says whether there was none.

        The file appears whole or not at all, so a crash cannot leave a part of it.
        """
        with self._opened() as folder:
            draft = f".{name}.{secrets.token_hex(8)}.draft"
            try:
                self._write_draft(draft, text, folder)
                os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            except FileExistsError:
                return False
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
            os.fsync(folder)
            return True

    def remove(self, name: str) -> bool:
        """Take a file away; says whether it was there, which it is for one caller only."""
        if not self._exists():
            return False
        with self._opened() as folder:
            try:
                os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                return False
            os.fsync(folder)
            return True

    def names(self) -> list[str]:
        """The names of the files, sorted."""
        if not self._exists():
            return []
        with self._opened() as folder:
            return sorted(name for name in _names(folder) if not name.startswith("."))

    def _exists(self) -> bool:
        try:
            os.lstat(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._failure(error) from None
        return True

    def _sweep(self) -> None:
        with self._opened() as folder:
            for name in _names(folder):
                with contextlib.suppress(FileNotFoundError):
                    age = time.time() - os.stat(name, dir_fd=folder).st_mtime
                    if name.endswith(".draft") and age > STALE_SECONDS:
                        os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder as a descriptor, once it has proved to be ours alone."""
        try:
            if self._within:
                require_trusted(self._within)
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise self._failure(error) from None
        try:
            self._distrust(os.fstat(folder))
            yield folder
        except OSError as error:
            raise self._failure(error) from None
        finally:
            os.close(folder)

    def _distrust(self, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            raise StoreError(f"{self.path} belongs to another user: choose another folder.")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise StoreError(f"{self.path} is open to other users: run chmod 700 on it.")

    def _failure(self, error: OSError) -> StoreError:
        return StoreError(f"{self.path} cannot be used: {error.strerror}.")


def require_trusted(folder: Path) -> None:
    """Make a folder where there is none, and look whether others can exchange what is in it.

    Raises:
        StoreError: they can.
        OSError: it cannot be made or looked at.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid not in {os.geteuid(), ROOT}:
        raise StoreError(f"{folder} belongs to another user: choose another folder.")
    if stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(f"{folder} can be written by other users: run chmod go-w on it.")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, in as many steps as the system takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock a file until it is closed, or say that another process has."""
    import fcntl  # not on Windows, where this folder is of no use anyway

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
