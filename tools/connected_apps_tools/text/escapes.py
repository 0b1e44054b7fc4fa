"""Decodes escapes in text, and maps each part back to its place in the original text."""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator

MAX_LAYERS = 3
"""How many layers of escapes on top of each other are decoded."""

_HEX = "[0-9A-Fa-f]"
_BASE64 = "[A-Za-z0-9+/_-]"

_NEXT_LINE = rf"(?P<next_line>)(?={_BASE64})"
_IN_URLS = re.compile(f"%(?P<hex>{_HEX}{{2}})")
_IN_HTML = re.compile(f"&#(?:[xX](?P<hex>{_HEX}{{1,6}})|(?P<decimal>[0-9]{{1,7}}));")
_IN_LINES = re.compile(rf"\n[ \t]*{_NEXT_LINE}")
_IN_JSON = re.compile(rf"\\(?:u(?P<hex>{_HEX}{{4}})|n(?:[ \t]|\\{{1,8}}t)*{_NEXT_LINE})")

_JSON_ESCAPE = re.compile(r"\\[un]")
"""Results contain many backslashes, because their text is JSON in JSON. Few start like this."""

_LONG_LINE = re.compile(rf"(?<={_BASE64}{{16}})(?P<end>(?:\r|\\{{1,8}}r)?\\{{0,8}})\Z")
"""The end of a line that may be base64: 16 characters of it, and a carriage return."""

_Escape = tuple[int, int, str]
"""Start, end and decoded text."""


class DecodedView:
    """Text with one layer of escapes decoded.

    It holds only the text within `reach` characters of an escape: the rest is unchanged.
    """

    def __init__(
        self, source: str, escapes: list[_Escape], reach: int, outer: "DecodedView | None"
    ) -> None:
        self._outer = outer
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._origins: list[tuple[int, int]] = []
        self._length = 0
        done = 0
        for start, end, meaning in escapes:
            if start - done > 2 * reach:
                if done:
                    self._add(source[done : done + reach], done, done + reach)
                    self._add("\0", done + reach, start - reach)
                done = start - reach
            self._add(source[done:start], done, start)
            self._add(meaning, start, end)
            done = end
        self._add(source[done : done + reach], done, min(done + reach, len(source)))
        self.text = "".join(self._pieces)

    def _add(self, piece: str, start: int, end: int) -> None:
        if piece:
            self._pieces.append(piece)
            self._starts.append(self._length)
            self._origins.append((start, end))
            self._length += len(piece)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Start and end, in the original text, of a part of this text."""
        first, last = (bisect_right(self._starts, at) - 1 for at in (start, end - 1))
        begins = self._origins[first][0] + start - self._starts[first]
        rest = self._starts[last] + len(self._pieces[last]) - end
        ends = self._origins[last][1] - rest
        return self._outer.span(begins, ends) if self._outer else (begins, ends)


def decoded(text: str, reach: int) -> Iterable[DecodedView]:
    """The text with one layer of escapes decoded, then two, and so on while there are any."""
    patterns = _patterns_for(text)
    return _views(text, reach, patterns) if patterns else ()


def _views(text: str, reach: int, patterns: list[re.Pattern[str]]) -> Iterator[DecodedView]:
    view = None
    for _ in range(MAX_LAYERS):
        matches = (match for pattern in patterns for match in pattern.finditer(text))
        escapes = sorted(escape for match in matches if (escape := _read(text, match)))
        if not escapes:
            return
        view = DecodedView(text, escapes, reach, view)
        yield view
        text = view.text
        patterns = _patterns_for(text)


def _patterns_for(text: str) -> list[re.Pattern[str]]:
    """The escapes to look for. Most messages hold none, so these checks have to be fast."""
    patterns = []
    if "%" in text:
        patterns.append(_IN_URLS)
    if "&" in text:
        patterns.append(_IN_HTML)
    if "\n" in text:
        patterns.append(_IN_LINES)
    if _JSON_ESCAPE.search(text):
        patterns.append(_IN_JSON)
    return patterns


def _read(text: str, match: re.Match[str]) -> _Escape | None:
    """An escape with every backslash before it: nested JSON has one, three or seven."""
    start = match.start()
    if match.lastgroup == "next_line":
        line = _LONG_LINE.search(text, max(0, start - 40), start)
        return (line.start("end"), match.end(), "") if line else None
    while text[start] == "\\" and start and text[start - 1] == "\\":
        start -= 1
    number = int(match["hex"], 16) if match.lastgroup == "hex" else int(match["decimal"])
    return start, match.end(), chr(min(number, sys.maxunicode))
