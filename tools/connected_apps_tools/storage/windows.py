"""Files, locks and privacy by the means of Windows.

Other programs may rename and remove a file that is open here, as they may elsewhere. A folder that
is open here keeps its name: nobody can put another in its place.
"""

from __future__ import annotations

import msvcrt
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ELOOP, ENOTDIR
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ntsecuritycon
import pywintypes
import win32api
import win32con
import win32file
import win32security
import winerror

from .errors import StoreError

if TYPE_CHECKING:
    from _win32typing import PySECURITY_DESCRIPTOR

assert sys.platform == "win32"  # noqa: S101 - the check of types reads it

LOCKED_AT = 1 << 30
"""A lock keeps others from the bytes that it covers, so it covers one far behind the text: at this
multiple of 4 GB."""

TRUSTED = {
    "S-1-5-18",  # the system
    "S-1-5-32-544",  # administrators
    "S-1-3-0",  # in an entry for new files: their owner
    "S-1-3-4",  # the owner
}
"""Users who can read and write everything anyway, and names of the owner."""

WRITING = (
    ntsecuritycon.FILE_WRITE_DATA
    | ntsecuritycon.FILE_APPEND_DATA
    | ntsecuritycon.FILE_WRITE_EA
    | ntsecuritycon.FILE_DELETE_CHILD
    | ntsecuritycon.FILE_WRITE_ATTRIBUTES
    | ntsecuritycon.DELETE
    | ntsecuritycon.WRITE_DAC
    | ntsecuritycon.WRITE_OWNER
    | ntsecuritycon.GENERIC_WRITE
    | ntsecuritycon.GENERIC_ALL
)
"""The permissions to change a folder or what is in it."""

ANY = -1
"""All permissions."""

ACCESS = {
    os.O_RDONLY: win32con.GENERIC_READ,
    os.O_WRONLY: win32con.GENERIC_WRITE,
    os.O_RDWR: win32con.GENERIC_READ | win32con.GENERIC_WRITE,
}

OWNER_AND_ACL = win32security.OWNER_SECURITY_INFORMATION | win32security.DACL_SECURITY_INFORMATION


def open_private(path: Path) -> int:
    """A folder as a descriptor. The first use makes it. One that is not private is refused."""
    Path(full_path(path)).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = _open(
        path,
        os.O_RDONLY,
        win32con.OPEN_EXISTING,
        flags=win32con.FILE_FLAG_BACKUP_SEMANTICS,  # without it, no folder is opened
    )
    try:
        if not os.fstat(descriptor).st_file_attributes & stat.FILE_ATTRIBUTE_DIRECTORY:
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
        _require(path, _security(descriptor), ANY, "is open to")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_file(path: Path, flags: int) -> int:
    """A file as a descriptor. A symbolic link or a junction is refused."""
    creation = win32con.OPEN_ALWAYS if flags & os.O_CREAT else win32con.OPEN_EXISTING
    if flags & os.O_EXCL:
        creation = win32con.CREATE_NEW
    mode = flags & (os.O_WRONLY | os.O_RDWR | os.O_APPEND)
    return _open(path, mode, creation, shared=win32con.FILE_SHARE_DELETE)


def _open(path: Path, mode: int, creation: int, *, flags: int = 0, shared: int = 0) -> int:
    """Open a file or a folder, but refuse a link. Others can read and write it meanwhile."""
    with _errors_of_python():
        handle = win32file.CreateFile(
            full_path(path),
            ACCESS[mode & (os.O_WRONLY | os.O_RDWR)],
            win32con.FILE_SHARE_READ | win32con.FILE_SHARE_WRITE | shared,
            None,
            creation,
            win32file.FILE_FLAG_OPEN_REPARSE_POINT | flags,
            None,
        )
    descriptor = msvcrt.open_osfhandle(int(handle.Detach()), mode | os.O_BINARY | os.O_NOINHERIT)
    if os.fstat(descriptor).st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        os.close(descriptor)
        raise OSError(ELOOP, os.strerror(ELOOP))
    return descriptor


def full_path(path: Path) -> str:
    r"""The path in the form that has no limits: any length, and names such as CON.

    Such a path begins with \\?\.
    """
    if str(path).startswith("\\\\?\\"):
        return str(path)
    full = os.path.abspath(path)  # noqa: PTH100 - Path.resolve follows links
    return f"\\\\?\\UNC\\{full[2:]}" if full.startswith("\\\\") else f"\\\\?\\{full}"


def require_trusted(folder: Path) -> None:
    """Make a folder where there is none, and check that others cannot replace its contents.

    Raises:
        StoreError: they can.
        OSError: the folder cannot be made or read.
    """
    Path(full_path(folder)).mkdir(mode=0o700, parents=True, exist_ok=True)
    _require(folder, _security(folder), WRITING, "can be written by")


def _require(folder: Path, security: PySECURITY_DESCRIPTOR, permissions: int, problem: str) -> None:
    owner = win32security.ConvertSidToStringSid(security.GetSecurityDescriptorOwner())
    if owner not in TRUSTED | {_user()}:
        raise StoreError(f"{folder} belongs to another user: choose another folder.")
    if _others_have(security, permissions):
        raise StoreError(f"{folder} {problem} other users: {way_to_close(folder)}.")


def _security(file: Path | int) -> PySECURITY_DESCRIPTOR:
    """The owner and the permissions of a file, or of what a descriptor opens."""
    kind = win32security.SE_FILE_OBJECT
    with _errors_of_python():
        if isinstance(file, Path):
            return win32security.GetNamedSecurityInfo(full_path(file), kind, OWNER_AND_ACL)
        handle = msvcrt.get_osfhandle(file)
        return win32security.GetSecurityInfo(handle, kind, OWNER_AND_ACL)


def _others_have(security: PySECURITY_DESCRIPTOR, permissions: int) -> bool:
    """Whether an entry gives one of these permissions to others, now or on new files."""
    entries = security.GetSecurityDescriptorDacl()
    if entries is None:  # everybody may do everything
        return True
    return any(
        _gives_others(entries.GetAce(number), permissions)
        for number in range(entries.GetAceCount())
    )


def _gives_others(entry: Any, permissions: int) -> bool:  # noqa: ANN401 - its form depends
    (kind, _), granted, *_, user = entry
    denies = kind in {
        win32security.ACCESS_DENIED_ACE_TYPE,
        win32security.ACCESS_DENIED_OBJECT_ACE_TYPE,
    }
    known = TRUSTED | {_user()}
    return (
        not denies
        and bool(granted & permissions)
        and win32security.ConvertSidToStringSid(user) not in known
    )


@cache
def _user() -> str:
    """The user of this process, as entries name it."""
    token = win32security.OpenProcessToken(win32api.GetCurrentProcess(), win32con.TOKEN_QUERY)
    user, _ = win32security.GetTokenInformation(token, win32security.TokenUser)
    return win32security.ConvertSidToStringSid(user)


def user_name() -> str:
    """The name of the user of this process, with the domain."""
    return win32api.GetUserNameEx(win32con.NameSamCompatible)


def way_to_close(path: Path) -> str:
    """How a person closes a file or a folder to other users."""
    below = "(OI)(CI)" if path.is_dir() else ""
    return f'run icacls "{path}" /inheritance:r /grant:r "{user_name()}:{below}F"'


def is_open_to_others(file: Path | int, _bits: int = 0) -> bool:
    """Whether other users have any permission on a file, or on what a descriptor opens.

    Raises:
        OSError: there is no such file.
    """
    return _others_have(_security(file), ANY)


def lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock a file until it is closed; False where another process has locked it."""
    kind = 0 if shared else win32con.LOCKFILE_EXCLUSIVE_LOCK
    span = pywintypes.OVERLAPPED()
    span.OffsetHigh = LOCKED_AT
    try:
        win32file.LockFileEx(
            msvcrt.get_osfhandle(descriptor),
            kind if wait else kind | win32con.LOCKFILE_FAIL_IMMEDIATELY,
            1,
            0,
            span,
        )
    except pywintypes.error as error:
        if error.winerror in {winerror.ERROR_LOCK_VIOLATION, winerror.ERROR_IO_PENDING}:
            return False
        raise _as_os_error(error) from None
    return True


def sync(descriptor: int) -> None:
    """Wait until a file is on the disk."""
    os.fsync(descriptor)


@contextmanager
def _errors_of_python() -> Iterator[None]:
    try:
        yield
    except pywintypes.error as error:
        raise _as_os_error(error) from None


def _as_os_error(error: pywintypes.error) -> OSError:
    return OSError(0, error.strerror.rstrip(".\r\n "), None, error.winerror)
