"""Text that is not ours, made fit to be shown."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

_KNOWN_ID = (
    r"(?:connected-app|request-id|project)-(?:test|live)-[0-9a-f-]{36}(?![\w+=~-]|\.[\w+=~-])"
)
_OPAQUE = re.compile(rf"(?<![\w+=.~-])(?!{_KNOWN_ID})(?=[\w+=.~-]*[0-9A-Z])[\w+=.~-]{{20,}}")

MAX_MESSAGE = 500
"""Characters of a foreign message that are shown."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` was most likely meant to be, or None."""
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A closing question that names the nearest of `names`, or nothing."""
    near = nearest(name, names)
    return f" Did you mean {near}?" if near else ""


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """`text` on one line, cut to `limit` characters, without control or invisible characters."""
    kept = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    kept = "".join(c for c in kept if unicodedata.category(c) not in {"Cf", "Cs", "Co"})
    return kept if len(kept) <= limit else kept[:limit] + "…"


def redact(text: str) -> str:
    """`text` without anything that could be a secret.

    That is every token of 20 or more characters with a digit or a capital in it, except the API's
    own ids.
    """
    return _OPAQUE.sub("[redacted]", printable(text))
