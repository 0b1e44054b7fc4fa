"""A folder of small files for one user, safe for several processes at once."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import StoreError

STALE_SECONDS = 3600
"""Age after which `check` removes the draft of an interrupted write."""

ROOT = 0
"""The user who can read and write everything anyway."""

LOCK_POLL_SECONDS = 0.002
"""Pause between two attempts to lock a file."""

READ_BYTES = 1 << 16
"""Bytes of one read."""


class PrivateFolder:
    """A 0700 folder of 0600 files, each written whole or not at all.

    The first write makes the folder. Each use refuses a folder that other users can read or write,
    that belongs to another user, or that is a symbolic link. Every method raises `StoreError`.
    """

    def __init__(self, path: Path, *, within: Path | None = None) -> None:
        """Store files in `path`.

        Args:
            path: the folder.
            within: a folder above it. Each use checks that other users cannot write there, since
                they could then put another folder of this user in the place of this one.
        """
        self.path = path
        self._within = within

    def check(self) -> None:
        """Prove that the folder can be written, by writing to it."""
        self._remove_stale_drafts()
        self.write(".probe", "")
        self.remove(".probe")

    def write(self, name: str, text: str) -> None:
        """Write a file, or replace it. When this returns, the file is on the disk."""
        with self._opened() as folder, _draft(name, text, folder) as draft:
            os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

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
        """The text of a file. Bytes that are not UTF-8 become surrogates.

        Args:
            name: the file.
            unless_held: give None also where a running process holds the file.

        Returns:
            The text, or None where there is no such file.
        """
        data = self._contents(name, unless_held=unless_held)
        # The caller reports damage, since it knows what the file is about.
        return None if data is None else data.decode("utf-8", "surrogateescape")

    def read_bytes(self, name: str, start: int = 0) -> bytes | None:
        """The bytes of a file from an offset on, or None where there is no such file."""
        return self._contents(name, start)

    def _contents(self, name: str, start: int = 0, *, unless_held: bool = False) -> bytes | None:
        if not self._exists():
            return None
        with self._opened() as folder:
            try:
                with _file(name, os.O_RDONLY, folder) as file:
                    if unless_held and not _lock(file, wait=False, shared=True):
                        return None
                    return _read_all(file, start)
            except FileNotFoundError:
                return None

    def hold(self, name: str, text: str) -> int:
        """Write a new file, and lock it while the returned descriptor is open.

        The file appears under its name when it is whole and locked.
        """
        with self._opened() as folder:
            draft = f".{name}.draft"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
            try:
                _lock(descriptor, wait=True)
                write_all(descriptor, text.encode())
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
        """Lock a file while the returned descriptor is open; None where it is locked already."""
        with self._opened() as folder:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            descriptor, locked = os.open(name, flags, 0o600, dir_fd=folder), False
            try:
                locked = _lock(descriptor, wait=False)
            finally:
                if not locked:
                    os.close(descriptor)
            return descriptor if locked else None

    @contextlib.contextmanager
    def locked(self, name: str, seconds: float) -> Iterator[PrivateFolder]:
        """Hold a lock that one process has at a time. Wait up to `seconds` for it.

        Yields:
            This folder, opened and checked once for everything that is done under the lock.
        """
        deadline = time.monotonic() + seconds
        while (held := self._open_locked(name)) is None:
            if time.monotonic() > deadline:
                raise StoreError(f"{self.path / name} is held by another process.")
            time.sleep(LOCK_POLL_SECONDS)
        folder, lock = held
        try:
            yield _OpenFolder(self.path, folder)
        finally:
            os.close(lock)
            os.close(folder)

    def _open_locked(self, name: str) -> tuple[int, int] | None:
        """The folder and the lock in it as descriptors; None where the lock is taken.

        Each attempt opens the folder anew, since somebody may replace it while a process waits.
        """
        folder, lock = self._open(), None
        try:
            lock = _OpenFolder(self.path, folder).try_lock(name)
        finally:
            if lock is None:
                os.close(folder)
        return None if lock is None else (folder, lock)

    def append(self, name: str, data: bytes) -> None:
        """Add to an existing file: all of it, or nothing. When this returns, it is on the disk.

        Only a killed process, or a disk that fails twice, leaves a part of it.
        """
        with self._opened() as folder, _file(name, os.O_WRONLY | os.O_APPEND, folder) as file:
            size = os.fstat(file).st_size
            try:
                write_all(file, data)
                os.fsync(file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file, size)
                raise

    def cut(self, name: str, size: int) -> None:
        """Cut a file to a size, in bytes. When this returns, the cut is on the disk."""
        with self._opened() as folder, _file(name, os.O_WRONLY, folder) as file:
            os.ftruncate(file, size)
            os.fsync(file)

    def create(self, name: str, text: str) -> bool:
        """Write a file unless there is one of this name. Return whether it was written.

        The file appears whole or not at all, so a crash cannot leave a part of it.
        """
        with self._opened() as folder, _draft(name, text, folder) as draft:
            try:
                os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
                is_new = True
            except FileExistsError:
                is_new = False
            os.unlink(draft, dir_fd=folder)
            if is_new:
                os.fsync(folder)
            return is_new

    def remove(self, name: str) -> bool:
        """Remove a file. Return whether it was there: one caller only gets True."""
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
        """The names of the files, sorted, without hidden files."""
        if not self._exists():
            return []
        with self._opened() as folder:
            return sorted(name for name in _names(folder) if not name.startswith("."))

    def _exists(self) -> bool:
        with self._explained():
            try:
                os.lstat(self.path)
            except FileNotFoundError:
                return False
            return True

    def _remove_stale_drafts(self) -> None:
        with self._opened() as folder:
            for name in _names(folder):
                with contextlib.suppress(FileNotFoundError):
                    age = time.time() - os.stat(name, dir_fd=folder).st_mtime
                    if name.endswith(".draft") and age > STALE_SECONDS:
                        os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder as a descriptor, opened and checked for this one use."""
        descriptor = self._open()
        try:
            with self._explained():
                yield descriptor
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        with self._explained():
            if self._within:
                require_trusted(self._within)
            descriptor = self._open_or_make()
            try:
                self._require_private(os.fstat(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

    def _open_or_make(self) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path, flags)

    def _require_private(self, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            raise StoreError(f"{self.path} belongs to another user: choose another folder.")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise StoreError(f"{self.path} is open to other users: run chmod 700 on it.")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self.path} cannot be used: {error.strerror}.") from None


class _OpenFolder(PrivateFolder):
    """A private folder that is open already: its methods neither open nor check it again."""

    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(path)
        self._descriptor = descriptor

    def _exists(self) -> bool:
        return True

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        with self._explained():
            yield self._descriptor


def require_trusted(folder: Path) -> None:
    """Make a folder where there is none, and check that other users cannot replace its contents.

    Raises:
        StoreError: they can.
        OSError: the folder cannot be made or read.
    """
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid not in {os.geteuid(), ROOT}:
        raise StoreError(f"{folder} belongs to another user: choose another folder.")
    if stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(f"{folder} can be written by other users: run chmod go-w on it.")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes, in as many steps as the system takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read_all(descriptor: int, start: int) -> bytes:
    parts = [b""]
    while part := os.pread(descriptor, READ_BYTES, start):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


@contextlib.contextmanager
def _file(name: str, flags: int, folder: int) -> Iterator[int]:
    """A file of the folder as a descriptor. A symbolic link is refused."""
    descriptor = os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _draft(name: str, text: str, folder: int) -> Iterator[str]:
    """The name of a new file with this text, on the disk. A failure in the block removes it."""
    data = text.encode()
    draft = f".{name}.{secrets.token_hex(8)}.draft"
    try:
        with _file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder) as file:
            write_all(file, data)
            os.fsync(file)
        yield draft
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        raise


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock a file until it is closed; False where another process has locked it."""
    import fcntl  # not on Windows, which cannot use this folder anyway

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
