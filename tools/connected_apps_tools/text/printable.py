"""Makes untrusted text printable."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

from .redaction import REDACTOR

_KNOWN_ID = (
    r"(?:connected-app|request-id|project)-(?:test|live)-[0-9a-f-]{36}(?![\w+=~-]|\.[\w+=~-])"
)


def _opaque(characters: str) -> re.Pattern[str]:
    one = rf"[{characters}-]"
    return re.compile(rf"(?<!{one})(?!{_KNOWN_ID})(?={one}*[0-9A-Z]){one}{{20,}}")


_OPAQUE = _opaque(r"\w+=.~%/")
_OPAQUE_IN_URL = _opaque(r"\w+=.~%")
_URL = re.compile(r"(https?://[^\s\"'<>]+)")

_BREAKS = {"Cc", "Zl", "Zp"}
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Blank, although their category is visible: fillers, joiners, variation selectors (Unicode 16)."""

CACHED_CHARACTERS = 4_096
"""Characters with a cached result: long texts use few different ones."""

MAX_MESSAGE = 500
"""Most characters shown of an untrusted message."""


def nearest(name: str, names: Iterable[str], *, min_ratio: float = 0.6) -> str | None:
    """The one of `names` that is most similar to `name`, or None.

    `min_ratio` is the least similarity, from 0 to 1.
    """
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=min_ratio)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A question that starts with a space and suggests the nearest of `names`, or nothing."""
    near = nearest(name, names)
    return f" Did you mean {near}?" if near else ""


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """`text` on one line, cut to `limit` characters, without control or invisible characters."""
    return cut("".join(map(_on_one_line, text)) if _has_unprintable(text) else text, limit)


def printable_url(url: str, limit: int) -> str:
    """A URL, cut to `limit` characters, with invisible characters and blanks percent-encoded.

    No URL holds a blank: in a list, one URL cannot look like two.
    """
    if len(url) > limit:  # redact it first: encoded, a long URL takes seconds
        return _percent_encoded(REDACTOR.redact(url)[:limit])[:limit] + "…"
    return cut(_percent_encoded(url), limit)


def _percent_encoded(url: str) -> str:
    return "".join(map(_encoded, url)) if _has_unprintable(url) or " " in url else url


def cut(text: str, limit: int) -> str:
    """The first `limit` characters, and an ellipsis if there are more.

    Secrets are redacted before the cut: nothing could find a part of one later.
    """
    return text if len(text) <= limit else REDACTOR.redact(text)[:limit] + "…"


def _has_unprintable(text: str) -> bool:
    return not (text.isascii() and text.isprintable())


@lru_cache(CACHED_CHARACTERS)
def _on_one_line(char: str) -> str:
    if unicodedata.category(char) in _BREAKS:
        return " "
    return "" if _invisible(char) else char


@lru_cache(CACHED_CHARACTERS)
def _encoded(char: str) -> str:
    hidden = unicodedata.category(char) in {*_BREAKS, "Zs"} or _invisible(char)
    return quote(char, safe="", errors="replace") if hidden else char


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cf", "Cs", "Co", "Cn"} or bool(_BLANK.match(char))


def redact_tokens(text: str) -> str:
    """Printable text with every possible secret redacted, cut to `MAX_MESSAGE` characters.

    A possible secret is a token of 20 or more characters with a digit or a capital letter, except
    the API's own ids. Each segment of a URL is a token.
    """
    parts = _URL.split(printable(text, len(text)))
    for at, part in enumerate(parts):
        pattern = _OPAQUE_IN_URL if at % 2 else _OPAQUE
        parts[at] = pattern.sub("[redacted]", part)
    return cut("".join(parts), MAX_MESSAGE)
