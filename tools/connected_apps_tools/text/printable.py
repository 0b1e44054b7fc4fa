"""Text that is not ours, made fit to be shown."""

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
"""Visible by their category and yet blank: fillers, joiners, variation selectors (Unicode 16)."""

KNOWN = 4_096
"""Characters of which it is remembered what is shown of them: long texts are made of few."""

MAX_MESSAGE = 500
"""Characters of a foreign message that are shown."""


def nearest(name: str, names: Iterable[str], *, alike: float = 0.6) -> str | None:
    """The one of `names` that `name` was most likely meant to be, or None.

    `alike` is how much of the two must agree, from 0 to 1.
    """
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=alike)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A closing question that names the nearest of `names`, or nothing. It begins with a space."""
    near = nearest(name, names)
    return f" Did you mean {near}?" if near else ""


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """`text` on one line, cut to `limit` characters, without control or invisible characters."""
    return cut("".join(map(_on_one_line, text)) if _deceives(text) else text, limit)


def printable_url(url: str, limit: int) -> str:
    """The same for a URL: what cannot be seen is percent-encoded, so that it stays what it is.

    So are blanks, which no URL holds: in a list of URLs none can pass for two.
    """
    return cut("".join(map(_encoded, url)) if _deceives(url) or " " in url else url, limit)


def cut(text: str, limit: int) -> str:
    """The first `limit` characters, and an ellipsis where that is not all.

    No part of a secret is left, which nothing would find later.
    """
    return text if len(text) <= limit else REDACTOR.text(text)[:limit] + "…"


def _deceives(text: str) -> bool:
    return not (text.isascii() and text.isprintable())


@lru_cache(KNOWN)
def _on_one_line(char: str) -> str:
    if unicodedata.category(char) in _BREAKS:
        return " "
    return "" if _invisible(char) else char


@lru_cache(KNOWN)
def _encoded(char: str) -> str:
    hidden = unicodedata.category(char) in {*_BREAKS, "Zs"} or _invisible(char)
    return quote(char, safe="", errors="replace") if hidden else char


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cf", "Cs", "Co", "Cn"} or bool(_BLANK.match(char))


def redact_tokens(text: str) -> str:
    """`text` without anything that could be a secret.

    That is every token of 20 or more characters with a digit or a capital in it, except the API's
    own ids. The segments of a URL are tokens of their own.
    """
    parts = _URL.split(printable(text, len(text)))
    for at, part in enumerate(parts):
        pattern = _OPAQUE_IN_URL if at % 2 else _OPAQUE
        parts[at] = pattern.sub("[redacted]", part)
    return cut("".join(parts), MAX_MESSAGE)
