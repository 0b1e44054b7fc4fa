"""JSON with comments and trailing commas, as editors write it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from .errors import Unreadable
from .layout import appended, indentation, line_break, nested, starts_line, unit

BLANKS = " \t\r\n"
_STRING = r'"(?:[^"\\\r\n]|\\.)*"'
_COMMENTS = re.compile(rf"{_STRING}|(//[^\r\n]*|/\*(?s:.*?)(?:\*/|\Z))")
_TRAILING_COMMAS = re.compile(rf"{_STRING}|[{{\[:,]\s*,|(,)(?=\s*[}}\]])")
_COMMENT_ON_LINE = re.compile(r"[ \t]*(?:/\*(?s:.*?)\*/|//[^\r\n]*)")
_NO_BLANK = re.compile(rf"[^{BLANKS}]")


def parse(text: str) -> dict[str, JsonValue]:
    """What a text holds. A blank text holds nothing."""
    source = _Source(text)
    if source.blank:
        return {}
    try:
        data = _strict.decode(source.plain)
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"line {error.lineno}, column {error.colno}: it is not valid JSON ({error.msg})"
        ) from None
    except ValueError:  # a number of too many digits
        raise Unreadable("it holds a number that is too long") from None
    if not isinstance(data, dict):
        raise Unreadable("it is valid JSON, but not an object")
    return data


def added(text: str, path: tuple[str, ...], value: dict[str, JsonValue]) -> str:
    """The text with an entry that it does not have yet."""
    source = _Source(text)
    if source.blank:
        return appended(text, source.dumped(nested(path, value), ""))
    target, rest = source.reach(path)
    name, inner = rest[0], nested(rest[1:], value)
    if target.members:
        return _after_last(source, target, name, inner)
    return _into_empty(source, target, name, inner)


def removals(text: str, path: tuple[str, ...]) -> Iterator[str]:
    """Texts without the entry, the best first."""
    source = _Source(text)
    for depth in range(len(path), 0, -1):
        parent, _ = source.reach(path[:depth])
        index = [member.name for member in parent.members].index(path[depth - 1])
        yield from _cuts(source, parent, index)
    root = source.root
    before = text[: root.start]
    yield before
    yield before.removesuffix(source.line_break)


@dataclass(frozen=True)
class _Member:
    name: str
    start: int
    value: int
    end: int


@dataclass(frozen=True)
class _Object:
    start: int
    members: list[_Member]
    close: int


class _Source:
    """A text, and the same without comments and trailing commas: blanks are in their place."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.with_commas = _COMMENTS.sub(_comment_blanked, text)
        self.plain = _TRAILING_COMMAS.sub(_comma_blanked, self.with_commas)
        self.line_break = line_break(text)

    @property
    def blank(self) -> bool:
        return not self.plain.strip(BLANKS)

    @cached_property
    def root(self) -> _Object:
        return self._object(self._skip(0))

    @cached_property
    def unit(self) -> str:
        return unit(self.text, self.plain)

    def indentation(self, position: int) -> str:
        """The blanks that the line of a position starts with; none where a comment is before it."""
        blanks = indentation(self.plain, position)
        return blanks if blanks == indentation(self.text, position) else ""

    def reach(self, path: tuple[str, ...]) -> tuple[_Object, tuple[str, ...]]:
        """The innermost object on the way to the end of a path, and the names that are missing."""
        found = self.root
        for depth, name in enumerate(path[:-1]):
            member = next((each for each in found.members if each.name == name), None)
            if member is None:
                return found, path[depth:]
            found = self._object(member.value)
        return found, path[-1:]

    def comma(self, start: int, end: int) -> int | None:
        """Where the comma between two positions is."""
        found = self.with_commas.find(",", start, end)
        return None if found < 0 else found

    def dumped(self, value: JsonValue, indent: str, *, one_line: bool = False) -> str:
        if one_line:
            return json.dumps(value, ensure_ascii=False)
        lines = json.dumps(value, ensure_ascii=False, indent=self.unit)
        return lines.replace("\n", self.line_break + indent)

    def _object(self, start: int) -> _Object:
        members, at = [], self._skip(start + 1)
        while self.plain[at] != "}":
            at = self._skip(at + 1) if self.plain[at] == "," else at
            name, end = _lenient.raw_decode(self.plain, at)
            value = self._skip(self._skip(end) + 1)
            _, end = _lenient.raw_decode(self.plain, value)
            members.append(_Member(name, at, value, end))
            at = self._skip(end)
        return _Object(start, members, at)

    def _skip(self, start: int) -> int:
        found = _NO_BLANK.search(self.plain, start)
        return found.start() if found else len(self.plain)


def _after_last(source: _Source, target: _Object, name: str, value: JsonValue) -> str:
    text, last = source.text, target.members[-1]
    comma = source.comma(last.end, target.close)
    content = last.end if comma is None else comma + 1
    slot = _end_of_comments(text, content)
    indent, separator = source.indentation(slot), " "
    if starts_line(text, last.start):
        indent = source.indentation(last.start)
        separator = source.line_break + indent
    elif "//" in text[content:slot]:
        indent += source.unit
        separator = source.line_break + indent
    one_line = "\n" not in text[source.root.start : source.root.close]
    member = _member(source, name, value, indent, one_line=one_line)
    if comma is None:
        return text[: last.end] + "," + text[last.end : slot] + separator + member + text[slot:]
    return text[:slot] + separator + member + "," + text[slot:]


def _end_of_comments(text: str, start: int) -> int:
    while comment := _COMMENT_ON_LINE.match(text, start):
        start = comment.end()
    return start


def _into_empty(source: _Source, target: _Object, name: str, value: JsonValue) -> str:
    """Add to an object without members. Its blanks and comments stay, also where that looks odd.

    They show whether an object was there or was made, which `removals` must know.
    """
    text = source.text
    slot = len(text[: target.close].rstrip(BLANKS))
    indent = source.indentation(target.start)
    if "\n" not in text[slot : target.close]:
        return text[:slot] + _member(source, name, value, indent) + text[slot:]
    indent += source.unit
    end = source.line_break if slot == target.start + 1 else ""
    member = _member(source, name, value, indent)
    return text[:slot] + source.line_break + indent + member + end + text[slot:]


def _member(
    source: _Source, name: str, value: JsonValue, indent: str, *, one_line: bool = False
) -> str:
    return f"{source.dumped(name, indent)}: {source.dumped(value, indent, one_line=one_line)}"


def _cuts(source: _Source, parent: _Object, index: int) -> Iterator[str]:
    """The texts without one member, in every way that `added` may have added it."""
    text, member = source.text, parent.members[index]
    before = len(text[: member.start].rstrip(BLANKS))
    following = parent.members[index + 1 :]
    comma = source.comma(member.end, following[0].start if following else parent.close)
    if comma is not None and following and not starts_line(text, member.start):
        yield text[: member.start] + text[comma + 1 :].lstrip(BLANKS)
    elif comma is not None:
        yield text[:before] + text[comma + 1 :]
    elif index:
        earlier = source.comma(parent.members[index - 1].end, member.start) or 0
        yield text[:earlier] + text[earlier + 1 : before] + text[member.end :]
    else:
        yield text[:before] + text[member.end :].lstrip(BLANKS)
        yield text[: member.start] + text[member.end :]
        yield text[:before] + text[member.end :]
        yield text[:before] + text[member.end :].removeprefix(source.line_break)


def _comment_blanked(found: re.Match[str]) -> str:
    comment = found[1]
    if comment is None:
        return found[0]
    if comment.startswith("/*") and not comment[2:].endswith("*/"):
        raise Unreadable("a comment in it has no end")
    return re.sub(r"[^\r\n]", " ", comment)


def _comma_blanked(found: re.Match[str]) -> str:
    return " " if found[1] else found[0]


def _without_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise Unreadable("an object in it has the same key twice", "Keep one")
    return data


def _no_constant(_name: str) -> None:
    raise Unreadable("it holds NaN or Infinity, which are not valid JSON")


_strict = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
_lenient = json.JSONDecoder()
