"""Values as TOML writes them, so that a reviewer sees every character."""

import tomllib
from collections.abc import Iterable
from typing import cast

import tomlkit
from tomlkit.items import Array, Item, String, StringType, Trivia

from connected_apps_tools.manifest.settings import Value
from connected_apps_tools.text.printable import printable

TEMPLATE = "_template_content"
"""The ending of the names of settings that are templates."""

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\r": "\\r", "\n": "\\n"}


def written(name: str, value: Value) -> str:
    """The value of a setting in TOML. What is invisible, or acts on a terminal, is escaped.

    Nothing is lost. Only a template, which no stranger writes, goes over several lines: a line of
    another text could look like a part of the file.
    """
    if isinstance(value, str):
        return _string(value, on_lines=name.endswith(TEMPLATE)).as_string()
    return _item(value).as_string()


def rewritten(array: str, urls: list[str]) -> str:
    """The text of an array with other URLs in it. Its layout and comments stay as they are."""
    item = cast("Array", tomlkit.value(array))
    there = [str(each) for each in item]
    for at in reversed(range(len(there))):
        if there[at] not in urls or there[at] in there[:at]:
            del item[at]
    for url in urls:
        if url not in there:
            item.append(_string(url))
    text = item.as_string()
    return text if _read(text) == urls else _item(urls).as_string()


def _read(array: str) -> list[str]:
    return sorted(tomllib.loads(f"x = {array}")["x"])


def _item(value: Value) -> Item:
    if isinstance(value, list):
        return _array(map(_string, value), multiline=len(value) > 1)
    return tomlkit.item(value)


def _array(items: Iterable[Item], *, multiline: bool) -> Array:
    array = tomlkit.array().multiline(multiline)
    array.extend(items)
    return array


def _string(text: str, *, on_lines: bool = False) -> String:
    """A string, without escapes if it needs none. With `on_lines`, its line breaks stay."""
    lines = text.split("\n") if on_lines else [text]
    literal = '"' in text and "'" not in text and all(map(_is_plain, lines))
    body = text if literal else "\n".join(map(_escaped, lines))
    kinds = {
        (False, False): StringType.SLB,
        (False, True): StringType.MLB,
        (True, False): StringType.SLL,
        (True, True): StringType.MLL,
    }
    several = len(lines) > 1
    return String(kinds[literal, several], text, "\n" * several + body, Trivia())


def _escaped(line: str) -> str:
    if _is_plain(line) and not {'"', "\\"} & set(line):
        return line
    return "".join(_ESCAPES.get(char) or _visible(char) for char in line)


def _is_plain(line: str) -> bool:
    """Whether a line shows all that it has."""
    return (line.isascii() and line.isprintable()) or all(map(_shows, line))


def _shows(char: str) -> bool:
    return printable(char) == char


def _visible(char: str) -> str:
    if _shows(char):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"  # noqa: PLR2004 - \u has four digits
