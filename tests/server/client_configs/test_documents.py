"""Entries in generated documents: what is there already stays, byte for byte."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from server.client_configs.generated import DAMAGED, DOCUMENTS, Written
from sizes import sized

from connected_apps_mcp.client_configs.documents import (
    Format,
    Unreadable,
    entry_of,
    with_entry,
    without_entry,
)

pytestmark = pytest.mark.series

PATHS = st.sampled_from([("mcpServers", "ours"), ("ours",), ("deep", "mcpServers", "ours")])

SOME = settings(
    max_examples=sized("random configuration files"), suppress_health_check=[HealthCheck.too_slow]
)

ENTRIES: st.SearchStrategy[dict[str, JsonValue]] = st.sampled_from(
    [
        {"command": "/home/me/bin/connected-apps-mcp", "args": ["--profile", "live"]},
        {"command": 'C:\\Users\\"é"', "args": [], "env": {"A B": "1"}, "enabled": True},
        {"name": "ours", "timeout": 300},
    ]
)


def _reachable(document: Written, path: tuple[str, ...]) -> bool:
    """Whether the parents of an entry can have entries, where they are there already."""
    inner: Any = document.data
    for name in path[:-1]:
        inner = inner.get(name, {})
        if not isinstance(inner, dict):
            return False
    return True


PLACES = st.tuples(DOCUMENTS, PATHS).filter(lambda place: _reachable(*place))


def _add(document: Written, text: str, path: tuple[str, ...], value: dict[str, JsonValue]) -> str:
    return with_entry(document.format, text, path, value)


def _remove(document: Written, text: str, path: tuple[str, ...]) -> str:
    return without_entry(document.format, text, path)


@SOME
@given(DOCUMENTS)
def test_a_document_holds_what_its_author_meant(document: Written) -> None:
    for name, value in document.data.items():
        assert entry_of(document.format, document.text, (name,)) == value


@SOME
@given(PLACES, ENTRIES)
def test_an_entry_is_there_after_it_was_added(
    place: tuple[Written, tuple[str, ...]], value: dict[str, JsonValue]
) -> None:
    document, path = place
    assert entry_of(document.format, _add(document, document.text, path, value), path) == value


@SOME
@given(PLACES, ENTRIES)
def test_an_addition_leaves_every_character_in_its_order(
    place: tuple[Written, tuple[str, ...]], value: dict[str, JsonValue]
) -> None:
    document, path = place
    rest = iter(_add(document, document.text, path, value))
    assert all(character in rest for character in document.text)


@SOME
@given(PLACES, ENTRIES)
def test_an_addition_leaves_the_other_entries_as_they_are(
    place: tuple[Written, tuple[str, ...]], value: dict[str, JsonValue]
) -> None:
    document, path = place
    text = _add(document, document.text, path, value)
    for name, other in document.data.items():
        if name != path[0]:
            assert entry_of(document.format, text, (name,)) == other


@SOME
@given(PLACES, ENTRIES)
def test_a_second_addition_changes_nothing(
    place: tuple[Written, tuple[str, ...]], value: dict[str, JsonValue]
) -> None:
    document, path = place
    text = _add(document, document.text, path, value)
    assert _add(document, text, path, value) == text


@SOME
@given(PLACES, ENTRIES)
def test_a_removal_gives_the_original_back(
    place: tuple[Written, tuple[str, ...]], value: dict[str, JsonValue]
) -> None:
    document, path = place
    assert _remove(document, _add(document, document.text, path, value), path) == document.text


@SOME
@given(PLACES, ENTRIES, ENTRIES)
def test_a_replaced_entry_looks_like_one_that_was_added_at_once(
    place: tuple[Written, tuple[str, ...]],
    first: dict[str, JsonValue],
    second: dict[str, JsonValue],
) -> None:
    document, path = place
    text = _add(document, document.text, path, first)
    assert _add(document, text, path, second) == _add(document, document.text, path, second)


@SOME
@given(PLACES, ENTRIES, ENTRIES)
def test_two_entries_go_in_any_order(
    place: tuple[Written, tuple[str, ...]],
    first: dict[str, JsonValue],
    second: dict[str, JsonValue],
) -> None:
    document, path = place
    other = (*path[:-1], "ours-too")
    alone = _add(document, document.text, path, first)
    both = _add(document, alone, other, second)
    assert _remove(document, both, other) == alone
    assert _remove(document, _remove(document, both, path), other) == document.text


@SOME
@given(DOCUMENTS)
def test_a_document_without_the_entry_stays_as_it_is(document: Written) -> None:
    assert _remove(document, document.text, ("mcpServers", "ours")) == document.text


@SOME
@given(DAMAGED, PATHS, ENTRIES)
def test_a_damaged_document_is_refused_or_comes_back_whole(
    damaged: tuple[Format, str], path: tuple[str, ...], value: dict[str, JsonValue]
) -> None:
    kind, text = damaged
    try:
        changed = with_entry(kind, text, path, value)
    except Unreadable:
        return
    assert without_entry(kind, changed, path) == text
