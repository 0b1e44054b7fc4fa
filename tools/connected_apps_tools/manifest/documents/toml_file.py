"""A TOML file as it is read: bounded, whole or not at all, with the line of each key."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from connected_apps_tools.manifest import MAX_BYTES
from connected_apps_tools.text.printable import printable
from connected_apps_tools.text.toml_source import TomlSource

from .faults import Fault, InvalidManifest

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
"""The pattern of the key of an app, and of the name of an environment."""

NAME_IN_WORDS = "1 to 64 letters, digits, hyphens and underscores, first a letter or digit"

_PLACE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")
_HEAD = re.compile(r"[^=#]*")

KeyPath: TypeAlias = tuple[str, ...]


def content_of(path: Path, most: int = MAX_BYTES) -> bytes:
    """The content of a file, and one byte more than the bound of what has more.

    Raises:
        InvalidManifest: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise InvalidManifest([Fault(str(path), None, "", "it is not a regular file")])
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
        raise InvalidManifest([Fault(str(path), None, "", what)]) from None


@dataclass(frozen=True)
class TomlFile:
    """A valid TOML file.

    Attributes:
        name: what errors call it.
        text: what it holds.
        data: the same, parsed.
    """

    name: str
    text: str
    data: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, content: bytes | str, name: str) -> "TomlFile":
        """The file with this content.

        Raises:
            InvalidManifest: it is too large, not UTF-8, begins with a byte order mark, or is not
                valid TOML.
        """
        text = _decoded(content, name)
        if text.startswith("\ufeff"):
            what = "it begins with a byte order mark; save it as UTF-8 without one"
            raise InvalidManifest([Fault(name, 1, "", what)])
        try:
            return cls(name, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise InvalidManifest([_syntax_fault(name, text, str(error))]) from None
        except ValueError:  # a number of too many digits, or a date that does not exist
            what = "it holds a number or a date that cannot be"
        except RecursionError:
            what = "it is nested too deeply"
        raise InvalidManifest([Fault(name, None, "", what)])

    @cached_property
    def source(self) -> TomlSource:
        """Where its statements are."""
        return TomlSource(self.text)

    def fault(self, path: Sequence[str], what: str) -> Fault:
        """A fault at a key, with the line of the key or of what holds it."""
        return Fault(self.name, self._line_of(tuple(path)), ".".join(path), what)

    def _line_of(self, path: KeyPath) -> int | None:
        for depth in range(len(path), 0, -1):
            start = self._starts.get(path[:depth])
            if start is not None:
                return self.text.count("\n", 0, start) + 1
        return None

    @cached_property
    def _starts(self) -> dict[KeyPath, int]:
        """Where each path appears first."""
        starts: dict[KeyPath, int] = {}
        for each in self.source.statements:
            for depth in range(len(each.path), 0, -1):
                starts.setdefault(each.path[:depth], each.start)
        return starts


def _decoded(content: bytes | str, name: str) -> str:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if len(content) > MAX_BYTES:
        what = f"it is larger than {MAX_BYTES:,} bytes"
        raise InvalidManifest([Fault(name, None, "", what)])
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidManifest([Fault(name, line, "", "it is not UTF-8")]) from None


def _syntax_fault(name: str, text: str, problem: str) -> Fault:
    """The fault in the message of the parser, with the key in that line."""
    lines = text.split("\n")
    found = _PLACE.search(problem)
    line = int(found[1]) if found and found[1] else len(lines)
    head = _HEAD.match(lines[line - 1])
    key = head[0].strip().strip("[]").strip() if head else ""
    what = printable(_PLACE.sub("", problem))
    return Fault(name, line, key, f"it is not valid TOML: {what}")
