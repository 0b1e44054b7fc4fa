"""Changes values in a manifest. Comments, order and layout of all else stay as they are."""

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

import tomlkit

from connected_apps_tools.manifest.documents.faults import Fault, InvalidManifest
from connected_apps_tools.manifest.documents.toml_file import KeyPath, TomlFile
from connected_apps_tools.manifest.settings import Value
from connected_apps_tools.text.toml_source import Statement, TomlSource

from .values import rewritten, written

Changes: TypeAlias = Mapping[KeyPath, Value | None]
"""The new value at each path; None removes it."""

APP = 2
"""The length of the path of an app."""

_Splice: TypeAlias = tuple[int, int, int, str]
"""Start, end and rank of a part of the text, and what replaces it."""


def edited(file: TomlFile, changes: Changes, marks: Mapping[KeyPath, str]) -> str:
    """The text of a file with other values, and new tables at the end.

    Args:
        file: what is there.
        changes: what changes.
        marks: comments for the headers of new tables.

    Raises:
        InvalidManifest: it cannot be edited without a loss.
    """
    if not changes:
        return file.text
    text = _Editing(file.text, changes, marks).text()
    if not _holds(text, _expected(file.data, changes)):
        what = "it cannot be edited without a loss; change it by hand"
        raise InvalidManifest([Fault(file.name, None, "", what)])
    return text


class _Editing:
    """All changes of one text."""

    def __init__(self, text: str, changes: Changes, marks: Mapping[KeyPath, str]) -> None:
        self._line_break = "\r\n" if "\r\n" in text else "\n"
        text = text.replace("\r\n", "\n")
        self._source = TomlSource(text if text.endswith("\n") or not text else text + "\n")
        self._changes = changes
        self._marks = marks
        self._values: dict[KeyPath, Statement] = {}
        self._last: dict[KeyPath, Statement] = {}
        for each in self._source.statements:
            self._remember(each)

    def _remember(self, each: Statement) -> None:
        """Note where a value is, and what comes last of each table that it belongs to."""
        if each.path == each.header:
            self._last[each.path] = each
            return
        self._values[each.path] = each
        for depth in range(len(each.header), len(each.path)):
            self._last[each.path[:depth]] = each

    def text(self) -> str:
        """The text with the changes."""
        text, done, parts = self._source.text, 0, []
        for start, end, _, new in sorted(self._splices()):
            parts += [text[done:start], new]
            done = end
        return "".join([*parts, text[done:]]).replace("\n", self._line_break)

    def _splices(self) -> Iterator[_Splice]:
        inline: dict[KeyPath, dict[KeyPath, Value | None]] = defaultdict(dict)
        tables: dict[KeyPath, dict[str, Value]] = defaultdict(dict)
        for path, value in self._changes.items():
            if holder := self._inline_holder(path):
                inline[holder.path][path[len(holder.path) :]] = value
            elif there := self._values.get(path):
                yield self._replaced(there, value)
            elif value is not None:
                tables[path[:-1]][path[-1]] = value
        for path, changes in inline.items():
            there = self._values[path]
            new = _inline_with(self._source.text[there.value : there.end], changes)
            yield there.value, there.end, 0, new
        for rank, (table, settings) in enumerate(tables.items(), 1):
            yield self._added(rank, table, settings)

    def _inline_holder(self, path: KeyPath) -> Statement | None:
        for depth in range(1, len(path)):
            there = self._values.get(path[:depth])
            if there and self._source.is_inline_table(there):
                return there
        return None

    def _replaced(self, there: Statement, value: Value | None) -> _Splice:
        if value is None:
            return there.start, there.next, 0, ""
        old = self._source.text[there.value : there.end]
        new = rewritten(old, value) if isinstance(value, list) else written(there.path[-1], value)
        return there.value, there.end, 0, new

    def _added(self, rank: int, table: KeyPath, settings: Mapping[str, Value]) -> _Splice:
        """The settings, where their table goes on, or else as a new one."""
        app = self._last.get(table[:APP])
        last = self._last.get(table) or (app if app and app.header != table[:APP] else None)
        if last:
            lines = _lines(table[len(last.header) :], settings)
            return last.next, last.next, 0, lines
        at = app.next if app else len(self._source.text)
        mark = f" # {self._marks[table]}" if table in self._marks else ""
        blank = "\n" if at or rank > 1 else ""
        new = f"{blank}[{'.'.join(table)}]{mark}\n{_lines((), settings)}"
        return at, at, rank, new


def _lines(prefix: KeyPath, settings: Mapping[str, Value]) -> str:
    dotted = ((".".join([*prefix, name]), name, value) for name, value in settings.items())
    return "".join(f"{key} = {written(name, value)}\n" for key, name, value in dotted)


def _inline_with(text: str, changes: Changes) -> str:
    """The text of an inline table with other values in it."""
    table = tomlkit.value(text)
    for path, value in changes.items():
        inner: Any = table
        for name in path[:-1]:
            if name not in inner:
                inner[name] = tomlkit.inline_table()
            inner = inner[name]
        if value is None:
            del inner[path[-1]]
        else:
            inner[path[-1]] = tomlkit.value(written(path[-1], value))
    return table.as_string()


def _expected(data: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    expected = deepcopy(dict(data))
    for path, value in changes.items():
        inner = expected
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        if value is None:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
    return expected


def _holds(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        return bool(_plain(tomllib.loads(text)) == _plain(expected))
    except ValueError:
        return False


def _plain(data: Any) -> Any:  # noqa: ANN401 - any TOML
    """The same without the order of lists."""
    if isinstance(data, dict):
        return {name: _plain(value) for name, value in data.items()}
    return sorted(set(data)) if isinstance(data, list) else data
