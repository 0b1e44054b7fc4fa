"""TOML: an entry is a table at the end, or is in the inline table that its parent is."""

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import tomlkit
from pydantic import JsonValue
from tomlkit.items import InlineTable

from connected_apps_tools.text.toml_source import CLOSE, OPEN, Statement, TomlSource

from .errors import Unreadable
from .layout import appended, line_break, nested

_LINE = re.compile(r"at line (\d+)")


def parse(text: str) -> dict[str, Any]:
    """What a text holds. A blank text holds nothing."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        place = f"line {line[1]}: " if line else ""
        raise Unreadable(f"{place}it is not valid TOML") from None
    except ValueError:  # a number of too many digits, or a date that does not exist
        raise Unreadable("it holds a number or a date that cannot be") from None


def added(text: str, path: tuple[str, ...], value: dict[str, JsonValue]) -> str:
    """The text with an entry that it does not have yet."""
    source = TomlSource(text)
    if parent := source.inline_parent(path):
        return _into_inline(source, parent, nested(path[len(parent.path) :], value))
    end = line_break(text)
    table = tomlkit.dumps(nested(path, value)).rstrip("\n").replace("\n", end)
    return appended(text, end + table if text else table)


def removals(text: str, path: tuple[str, ...]) -> Iterator[str]:
    """Texts without the entry, the best first."""
    source = TomlSource(text)
    if parent := source.inline_parent(path):
        yield from _cuts(source, parent)
        return
    ours = [n for n, each in enumerate(source.statements) if each.path[: len(path)] == path]
    first, last = source.statements[ours[0]], source.statements[ours[-1]]
    if ours[-1] - ours[0] >= len(ours):  # a table of another entry is between ours
        yield _without(text, [source.statements[n] for n in ours])
        return
    before, after, end = text[: first.start], text[last.next :], line_break(text)
    if not before:
        yield after.removeprefix(end)
    if before.endswith("\n" + end):
        yield before.removesuffix(end) + after
    if before.endswith(end + end):
        yield before.removesuffix(end + end) + after
    yield before + after


def _into_inline(source: TomlSource, parent: Statement, value: dict[str, JsonValue]) -> str:
    member = _inline(value).as_string()[1:-1]
    inner = source.plain[parent.value + 1 : parent.end - 1].rstrip()
    slot = parent.value + 1 + len(inner)
    return source.text[:slot] + (", " if inner else "") + member + source.text[slot:]


def _inline(value: dict[str, JsonValue]) -> InlineTable:
    table = tomlkit.inline_table()
    for name, inner in value.items():
        table[name] = _inline(inner) if isinstance(inner, dict) else inner
    return table


def _cuts(source: TomlSource, parent: Statement) -> Iterator[str]:
    """The texts without one of the members of an inline table, for each of them."""
    text, depth, commas = source.text, 0, []
    for found in re.finditer(r"[\[{\]},]", source.plain[parent.value : parent.end]):
        depth += (found[0] in OPEN) - (found[0] in CLOSE)
        if found[0] == "," and depth == 1:
            commas.append(parent.value + found.start())
    first = parent.value + 1
    last = len(source.plain[: parent.end - 1].rstrip())
    if not commas:
        yield text[:first] + text[last:]
        return
    yield text[:first] + text[commas[0] + 1 :].lstrip(" \t")
    for start, end in pairwise([*commas, last]):
        yield text[:start] + text[end:]


def _without(text: str, statements: list[Statement]) -> str:
    for each in reversed(statements):
        text = text[: each.start] + text[each.next :]
    return text
