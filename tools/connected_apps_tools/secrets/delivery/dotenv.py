r"""Sets one key of a dotenv file.

The file is replaced whole. Its owner, its permissions and all other lines stay byte for byte.
Programs read dotenv files in different ways: some take a quoted value over several lines as one,
others read each line by itself; some know escapes and some do not. So only a line is changed that
all of them take for an assignment, and a value is only written in a form that libraries and shells
read alike.
"""

import re
from pathlib import Path

from connected_apps_tools.storage.owned_files import (
    FileRefused,
    explained,
    read_target,
    refuse_read_only,
    replace_unchanged,
    target_of,
)

BARE = re.compile(r"[A-Za-z0-9_./+:@%,=-]+")
"""Values that need no quotes."""

QUOTED = re.compile(r"[ !#&()*;<>?\[\]^{}|~\"A-Za-z0-9_./+:@%,=-]+")
"""Values that single quotes make plain: without quotes of the same kind, escapes and expansions."""

BOM = b"\xef\xbb\xbf"

OPENS = re.compile(rb"""(?:[^#=:]*[=:])?[^\S\n]*(?P<quote>["'`])""")
"""A line with a quoted name or value, up to its first quote."""


def set_key(path: Path, key: str, value: str) -> None:
    """Set a key of a dotenv file. A missing file is made, for its owner only.

    Raises:
        FileRefused: the file cannot be replaced safely, or the value cannot be written in a form
            that every program reads alike. The file is as it was.
    """
    with explained(path):
        earlier = read_target(target_of(path))
    replace_unchanged(path, earlier, with_key(earlier or b"", key, value, str(path)))


def problem_of(path: Path, key: str) -> str | None:
    """Why a key cannot be set, as a sentence; None if it can. Nothing is changed."""
    try:
        with explained(path):
            target = target_of(path)
            if not target.parent.is_dir():
                return f"There is no folder {target.parent}."
            with_key(read_target(target) or b"", key, "x", str(path))
            refuse_read_only(target)
    except FileRefused as error:
        return str(error)
    return None


def with_key(data: bytes, key: str, value: str, name: str = "The file") -> bytes:
    """The bytes of a dotenv file in which a key has this value. Raises like `set_key`."""
    written = _quoted(value).encode()
    if b"\0" in data or re.search(rb"\r(?!\n)", data):
        raise FileRefused(f"{name} has NUL bytes or odd line ends, so it is no dotenv file.")
    mark = BOM if data.startswith(BOM) else b""
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data.removeprefix(mark))
    ours = [at for at, line in enumerate(lines) if _is_about(key, line)]
    if not ours:
        return mark + b"".join(_appended(lines, key.encode() + b"=" + written))
    if len(ours) > 1:
        raise FileRefused(f"{name} has {key} more than once. Remove all but one.")
    (at,) = ours
    found = _assignment(key, lines[at])
    long = _in_long_values(lines, escapes=False) | _in_long_values(lines, escapes=True)
    if found is None or at in long:
        raise FileRefused(
            f"{name} has {key} in a line that programs read differently. Change it to {key}=x."
        )
    lines[at] = found["start"] + written + found["end"]
    return mark + b"".join(lines)


def _appended(lines: list[bytes], line: bytes) -> list[bytes]:
    ending = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    if lines and not lines[-1].endswith(b"\n"):
        lines = [*lines[:-1], lines[-1] + ending]
    return [*lines, line + ending]


BLANK = rb"[^\S\r\n]*"


def _is_about(key: str, line: bytes) -> bool:
    """Whether a line has a key where its name belongs."""
    quoted = rb"['\"]?" + re.escape(key.encode()) + rb"(?![\w.-])"
    return re.match(BLANK + rb"(?:export[^\S\r\n]+)?" + quoted, line) is not None


def _assignment(key: str, line: bytes) -> re.Match[bytes] | None:
    """The parts of a line that sets a key: what is before the value, and the line end."""
    name = rb"(?:export[^\S\r\n]+)?" + re.escape(key.encode())
    start = BLANK + name + BLANK + b"=" + BLANK
    return re.fullmatch(rb"(?P<start>" + start + rb")[^\n]*?(?P<end>\r?\n?)", line)


def _in_long_values(lines: list[bytes], *, escapes: bool) -> set[int]:
    """The lines of quoted names and values that go over several lines.

    `escapes` says whether a quote after a backslash is part of the value. A quote that is never
    closed opens no value.
    """
    long: set[int] = set()
    at = 0
    while at < len(lines):
        opening = OPENS.match(lines[at])
        last = _last_line(lines, at, opening, escapes=escapes) if opening else at
        if last > at:
            long.update(range(at, last + 1))
        at = last + 1
    return long


def _last_line(lines: list[bytes], at: int, opening: re.Match[bytes], *, escapes: bool) -> int:
    """The line in which a quoted value ends; the first one where it does not end."""
    quote = re.escape(opening["quote"])
    plain = rb"(?:\\.|[^\\" + quote + b"])*" if escapes else b"[^" + quote + b"]*"
    closing = re.compile(plain + quote, re.DOTALL)
    if closing.match(lines[at], opening.end()):
        return at
    rest = (number for number in range(at + 1, len(lines)) if closing.match(lines[number]))
    return next(rest, at)


def _quoted(value: str) -> str:
    if BARE.fullmatch(value):
        return value
    if QUOTED.fullmatch(value):
        return f"'{value}'"
    raise FileRefused("The secret has characters that programs read differently in a dotenv file.")
