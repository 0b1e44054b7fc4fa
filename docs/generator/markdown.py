"""Helpers for writing Markdown."""

import re
from collections.abc import Iterable

BAR = r"\|"
"""A bar in a cell of a table."""

FIRST_SENTENCE = re.compile(r".+?\.(?= [A-Z`]|$)")


def summary(text: str) -> str:
    """The first sentence of a text."""
    line = " ".join(text.split())
    sentence = FIRST_SENTENCE.match(line)
    return sentence[0] if sentence else line


def escaped(text: str) -> str:
    """Text without characters that Markdown reads as more than text."""
    return re.sub(r"([*<])", r"\\\1", text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(head)
    return "".join(map(_row, [head, ["---"] * len(head), *rows]))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |\n"
