"""A folder of small files for one user, safe for several processes at once."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Protocol, Self

from .errors import StoreError
from .system import Folder, full_path, lock, require_trusted, sync

STALE_SECONDS = 3600
"""Age after which `check` removes the draft of an interrupted write."""

LOCK_POLL_SECONDS = 0.002
"""Pause between two attempts to lock a file."""

READ_BYTES = 1 << 16
"""Bytes of one read."""


class OpenFolder(Protocol):
    """A private folder, open for use: what the shared code needs of the system."""

    def __init__(self, path: Path) -> None:
        """Open the folder. The first use makes it. One that is not private is refused."""
        ...

    def open(self, name: str, flags: int) -> int:
        """A file as a descriptor. A symbolic link is refused."""
        ...

    def stat(self, name: str) -> os.stat_result:
        """What the system knows of a file or a symbolic link."""
        ...

    def names(self) -> list[str]:
        """The names of all files."""
        ...

    def replace(self, draft: str, name: str) -> None:
        """Give a file another name, and remove the file that had it."""
        ...

    def link(self, draft: str, name: str) -> None:
        """Give a file a second name, unless another file has it."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def sync(self) -> None:
        """Wait until new and removed names are on the disk, where the system offers it."""
        ...

    def close(self) -> None:
        """Close the folder."""
        ...


class OpenFile:
    """An open file: it is held, or locked, until it is closed."""

    def __init__(self, descriptor: int) -> None:
        """Hold the file of a descriptor."""
        self._descriptor: int | None = descriptor

    def still_held(self, *others: Self) -> bool:
        """Whether it is open, and others: nothing else ends the hold or the lock."""
        return all(file._descriptor is not None for file in (self, *others))

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class PrivateFolder:
    """A folder of files for their owner alone (0700, 0600), each written whole or not at all.

    The first write makes the folder. Each use refuses a folder that other users can read or write,
    that belongs to another user, or that is a symbolic link. Every method raises `StoreError`.
    """

    opens: ClassVar[type[OpenFolder]] = Folder
    """How this system opens a folder. The tests try each way."""

    def __init__(self, path: Path, *, within: Path | None = None) -> None:
        """Store files in `path`.

        Args:
            path: the folder.
            within: a folder above it. Each use checks that other users cannot write there, since
                they could then put another folder of this user in the place of this one.
        """
        self.path = path
        self._within = within

    @property
    def place(self) -> str:
        """Where a person finds the files."""
        return str(self.path)

    def check(self) -> None:
        """Prove that the folder can be written, by writing to it."""
        self._remove_stale_drafts()
        self.write(".probe", "")
        self.remove(".probe")

    def write(self, name: str, text: str) -> None:
        """Write a file, or replace it. When this returns, the file is on the disk."""
        with self._opened() as folder, _draft(name, text, folder) as draft:
            folder.replace(draft, name)
            folder.sync()

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        if not self._exists():
            return False
        with self._opened() as folder:
            try:
                folder.stat(name)
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
                    if unless_held and not lock(file, wait=False, shared=True):
                        return None
                    return _read_all(file, start)
            except FileNotFoundError:
                return None

    def hold(self, name: str, text: str) -> OpenFile:
        """Write a new file, and lock it while the returned file is open.

        The file appears under its name when it is whole and locked.
        """
        with self._opened() as folder:
            draft = f".{name}.draft"
            descriptor = folder.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            try:
                lock(descriptor, wait=True)
                write_all(descriptor, text.encode())
                sync(descriptor)
                folder.replace(draft, name)
                folder.sync()
            except BaseException:
                os.close(descriptor)
                with contextlib.suppress(FileNotFoundError):
                    folder.remove(draft)
                raise
            return OpenFile(descriptor)

    def try_lock(self, name: str) -> OpenFile | None:
        """Lock a file while the returned file is open; None where it is locked already."""
        with self._opened() as folder:
            descriptor, locked = folder.open(name, os.O_RDWR | os.O_CREAT), False
            try:
                locked = lock(descriptor, wait=False)
            finally:
                if not locked:
                    os.close(descriptor)
            return OpenFile(descriptor) if locked else None

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
        folder, locked = held
        try:
            yield _OpenFolder(self.path, folder)
        finally:
            locked.close()
            folder.close()

    def _open_locked(self, name: str) -> tuple[OpenFolder, OpenFile] | None:
        """The folder, and the lock in it; None where the lock is taken.

        Each attempt opens the folder anew, since somebody may replace it while a process waits.
        """
        folder, locked = self._open(), None
        try:
            locked = _OpenFolder(self.path, folder).try_lock(name)
        finally:
            if locked is None:
                folder.close()
        return None if locked is None else (folder, locked)

    def append(self, name: str, data: bytes) -> None:
        """Add to an existing file: all of it, or nothing. When this returns, it is on the disk.

        Only a killed process, or a disk that fails twice, leaves a part of it.
        """
        with self._opened() as folder, _file(name, os.O_WRONLY | os.O_APPEND, folder) as file:
            size = os.fstat(file).st_size
            try:
                write_all(file, data)
                sync(file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file, size)
                raise

    def cut(self, name: str, size: int) -> None:
        """Cut a file to a size, in bytes. When this returns, the cut is on the disk."""
        with self._opened() as folder, _file(name, os.O_WRONLY, folder) as file:
            os.ftruncate(file, size)
            sync(file)

    def create(self, name: str, text: str) -> bool:
        """Write a file unless there is one of this name. Return whether it was written.

        The file appears whole or not at all, so a crash cannot leave a part of it.
        """
        with self._opened() as folder, _draft(name, text, folder) as draft:
            try:
                folder.link(draft, name)
                is_new = True
            except FileExistsError:
                is_new = False
            folder.remove(draft)
            if is_new:
                folder.sync()
            return is_new

    def remove(self, name: str) -> bool:
        """Remove a file. Return whether it was there: one caller only gets True."""
        if not self._exists():
            return False
        with self._opened() as folder:
            try:
                folder.remove(name)
            except FileNotFoundError:
                return False
            folder.sync()
            return True

    def names(self) -> list[str]:
        """The names of the files, sorted, without hidden files."""
        if not self._exists():
            return []
        with self._opened() as folder:
            return sorted(name for name in folder.names() if not name.startswith("."))

    def _exists(self) -> bool:
        with self._explained():
            try:
                os.lstat(full_path(self.path))
            except FileNotFoundError:
                return False
            return True

    def _remove_stale_drafts(self) -> None:
        with self._opened() as folder:
            for name in folder.names():
                with contextlib.suppress(FileNotFoundError):
                    age = time.time() - folder.stat(name).st_mtime
                    if name.endswith(".draft") and age > STALE_SECONDS:
                        folder.remove(name)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[OpenFolder]:
        """The folder, opened and checked for this one use."""
        folder = self._open()
        try:
            with self._explained():
                yield folder
        finally:
            folder.close()

    def _open(self) -> OpenFolder:
        with self._explained():
            if self._within:
                require_trusted(self._within)
            return self.opens(self.path)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self.path} cannot be used: {error.strerror}.") from None


class _OpenFolder(PrivateFolder):
    """A private folder that is open already: its methods neither open nor check it again."""

    def __init__(self, path: Path, folder: OpenFolder) -> None:
        super().__init__(path)
        self._folder = folder

    def _exists(self) -> bool:
        return True

    @contextlib.contextmanager
    def _opened(self) -> Iterator[OpenFolder]:
        with self._explained():
            yield self._folder


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes, in as many steps as the system takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read_all(descriptor: int, start: int) -> bytes:
    os.lseek(descriptor, start, os.SEEK_SET)
    parts = [b""]
    while part := os.read(descriptor, READ_BYTES):
        parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def _file(name: str, flags: int, folder: OpenFolder) -> Iterator[int]:
    """A file of the folder as a descriptor. A symbolic link is refused."""
    descriptor = folder.open(name, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _draft(name: str, text: str, folder: OpenFolder) -> Iterator[str]:
    """The name of a new file with this text, on the disk. A failure in the block removes it."""
    data = text.encode()
    draft = f".{name}.{secrets.token_hex(8)}.draft"
    try:
        with _file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder) as file:
            write_all(file, data)
            sync(file)
        yield draft
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            folder.remove(draft)
        raise
