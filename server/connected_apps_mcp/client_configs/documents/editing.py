"""The edits of every format, with the checks before and after each."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Literal, Protocol, TypeAlias

from pydantic import JsonValue

from .errors import Unreadable

Format = Literal["json", "toml", "yaml"]
Names: TypeAlias = tuple[str, ...]
Data: TypeAlias = dict[str, JsonValue]
"""What a document holds, in its order."""

_LONE_RETURN = re.compile(r"\r(?!\n)")


class _Editor(Protocol):
    """A format. Every function raises `Unreadable`."""

    def parse(self, text: str) -> Data:
        """What a text holds. A blank text holds nothing."""
        ...

    def added(self, text: str, path: Names, value: Data) -> str:
        """The text with an entry that it does not have yet."""
        ...

    def removals(self, text: str, path: Names) -> Iterator[str]:
        """Texts without the entry, the best first. The caller finds out which ones are right."""
        ...


def entry_of(format: Format, text: str, path: Names) -> JsonValue | None:  # noqa: A002
    """The entry at this path; None where there is none.

    Raises:
        Unreadable: the text is damaged.
    """
    with _bounded():
        return _find(_parsed(_editor(format), text), path)


def with_entry(
    format: Format,  # noqa: A002
    text: str,
    path: Names,
    value: Data,
) -> str:
    """The text with this entry at this path. All else stays byte for byte.

    Raises:
        Unreadable: the text is damaged, or cannot be edited without a loss.
    """
    with _bounded():
        editor = _editor(format)
        data = _parsed(editor, text)
        earlier = _find(data, path)
        if earlier is not None:
            if _canonical(earlier) == _canonical(value):
                return text
            text = _removed(editor, text, data, path)
            data = _parsed(editor, text)
        return _added(editor, text, data, path, value)


def without_entry(format: Format, text: str, path: Names) -> str:  # noqa: A002
    """The text without the entry at this path. All else stays byte for byte.

    After `with_entry` this gives the original back, byte for byte: parents that it made go too. If
    something else has changed since, an empty parent may stay.

    Raises:
        Unreadable: the text is damaged, or cannot be edited without a loss.
    """
    with _bounded():
        editor = _editor(format)
        data = _parsed(editor, text)
        return text if _find(data, path) is None else _removed(editor, text, data, path)


def _added(editor: _Editor, text: str, data: Data, path: Names, value: Data) -> str:
    expected = _canonical(_with(data, path, value))
    changed = editor.added(text, path, value)
    if not _holds(editor, changed, [expected]):
        raise Unreadable(
            "an entry cannot be added to it without a change to the rest", "Add it by hand"
        )
    return changed


def _removed(editor: _Editor, text: str, data: Data, path: Names) -> str:
    expected = [_canonical(_without(data, gone)) for gone in _removable(data, path)]
    value = _find(data, path)
    best: str | None = None
    for each in editor.removals(text, path):
        if _holds(editor, each, expected):
            if isinstance(value, dict) and editor.added(each, path, value) == text:
                return each  # the original
            best = each if best is None else best
    if best is None:
        raise Unreadable(
            "the entry cannot be removed without a change to the rest", "Remove it by hand"
        )
    return best


def _holds(editor: _Editor, text: str, expected: list[str]) -> bool:
    try:
        return _canonical(editor.parse(text)) in expected
    except Unreadable:
        return False


def _parsed(editor: _Editor, text: str) -> Data:
    if _LONE_RETURN.search(text):
        raise Unreadable(
            "it has carriage returns for line breaks", "Save it with usual line breaks"
        )
    return editor.parse(text)


def _find(data: JsonValue, path: Names) -> JsonValue:
    for name in path:
        if not isinstance(data, dict):
            return None
        data = data.get(name)
    return data


def _with(data: Data, path: Names, value: Data) -> Data:
    name, *rest = path
    return {**data, name: _with(_child(data, name), tuple(rest), value) if rest else value}


def _without(data: Data, path: Names) -> Data:
    name, *rest = path
    if rest:
        return {**data, name: _without(_child(data, name), tuple(rest))}
    return {other: value for other, value in data.items() if other != name}


def _removable(data: Data, path: Names) -> Iterator[Names]:
    """The paths to remove: of the entry, and of each parent that holds nothing else."""
    yield path
    parents = list(accumulate(path[:-1], _child, initial=data))
    for depth in range(len(path) - 1, 0, -1):
        if len(parents[depth]) > 1:
            return
        yield path[:depth]


def _child(data: Data, name: str) -> Data:
    child = data.get(name, {})
    if not isinstance(child, dict):
        raise Unreadable(f"its {name} cannot have entries")
    return child


def _canonical(data: JsonValue) -> str:
    return json.dumps(data, default=repr, sort_keys=True)


def _editor(format: Format) -> _Editor:  # noqa: A002
    if format == "json":
        from . import json as json_editor

        return json_editor
    if format == "toml":
        from . import toml as toml_editor

        return toml_editor
    from . import yaml as yaml_editor

    return yaml_editor


@contextmanager
def _bounded() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise Unreadable("it is nested too deeply", "Edit it by hand") from None
