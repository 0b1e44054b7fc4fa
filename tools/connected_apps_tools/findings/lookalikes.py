"""Texts that look alike to a person, in the spirit of Unicode's UTS 39.

The table holds the letters of Cyrillic, Greek, Armenian and extended Latin that pass for ASCII, and
what is confused within ASCII. It is not the whole of UTS 39, most of which no font shows alike.
"""

import re
import unicodedata

from connected_apps_tools.text.printable import printable

_SMALL = {
    "CYRILLIC SMALL LETTER": {
        "A": "a", "BYELORUSSIAN-UKRAINIAN I": "i", "DZE": "s", "EM": "m", "EN": "h", "ER": "p",
        "ES": "c", "GHE": "r", "HA": "x", "IE": "e", "IZHITSA": "v", "JE": "j", "KA": "k",
        "KOMI DE": "d", "O": "o", "PALOCHKA": "l", "PE": "n", "QA": "q", "SHHA": "h",
        "SOFT SIGN": "b", "TE": "t", "U": "y", "STRAIGHT U": "y", "VE": "b", "WE": "w",
    },
    "GREEK SMALL LETTER": {
        "ALPHA": "a", "BETA": "b", "CHI": "x", "EPSILON": "e", "ETA": "n", "GAMMA": "y",
        "IOTA": "i", "KAPPA": "k", "MU": "u", "NU": "v", "OMEGA": "w", "OMICRON": "o", "RHO": "p",
        "TAU": "t", "UPSILON": "u", "ZETA": "z",
    },
    "ARMENIAN SMALL LETTER": {"HO": "h", "OH": "o", "SEH": "u", "VO": "n"},
    "LATIN SMALL LETTER": {
        "ALPHA": "a", "D WITH STROKE": "d", "DOTLESS I": "i", "H WITH STROKE": "h",
        "L WITH STROKE": "l", "O WITH STROKE": "o", "SCRIPT G": "g", "T WITH STROKE": "t",
    },
}  # fmt: skip
_CAPITAL = {"GREEK CAPITAL LETTER": {"ETA": "h", "MU": "m", "NU": "n", "UPSILON": "y"}}
"""Where the capital passes for another letter than the small one does."""

Table = dict[str, dict[str, str]]


def _translation(table: Table) -> dict[int, str]:
    return {
        ord(unicodedata.lookup(f"{prefix} {name}")): looks
        for prefix, letters in table.items()
        for name, looks in letters.items()
    }


_CAPITALS = _translation(_CAPITAL)
_SMALLS = _translation(_SMALL)
_WITHIN_ASCII = str.maketrans("i1|0", "lllo")
_ACCENTS = re.compile("[\u0300-\u036f]")
_PAIRS = {"rn": "m", "vv": "w"}

_EAST_ASIAN = frozenset(
    {"BOPOMOFO", "CJK", "HANGUL", "HIRAGANA", "IDEOGRAPHIC", "KATAKANA", "LATIN"}
)
"""Scripts that are ordinarily written together (UTS 39, section 5.2, highly restrictive)."""


def spelling(text: str) -> str:
    """`text` by its letters and digits: no case, separators or invisible characters."""
    return _letters(unicodedata.normalize("NFKC", _visible(text)).casefold())


def skeleton(text: str) -> str:
    """What `text` looks like. Two texts with the same skeleton are easily taken for one another.

    Nothing but a key to compare by: it is empty where there is neither a letter nor a digit.
    """
    seen = _ACCENTS.sub("", unicodedata.normalize("NFKD", _visible(text)))
    seen = seen.translate(_CAPITALS).casefold().translate(_SMALLS)
    seen = _letters(seen.translate(_WITHIN_ASCII))
    for pair, looks in _PAIRS.items():
        seen = seen.replace(pair, looks)
    return seen


def _visible(text: str) -> str:
    return printable(text, len(text))


def _letters(text: str) -> str:
    return "".join(filter(_tells, text))


def _tells(c: str) -> bool:
    """Whether it is a letter, a digit, or a vowel sign of the scripts that have such."""
    return c.isalnum() or (unicodedata.category(c) in {"Mn", "Mc"} and not unicodedata.combining(c))


def scripts(text: str) -> list[str]:
    """The scripts of the letters in `text`, in capitals, by the names that Unicode gives them."""
    names = (unicodedata.name(c, "") for c in text if unicodedata.category(c).startswith("L"))
    return sorted({re.split("[ -]", name)[0] for name in names if name})


def mixes_scripts(text: str) -> bool:
    """Whether `text` has letters of scripts that are not ordinarily written together."""
    if text.isascii():
        return False
    found = set(scripts(text))
    return len(found) > 1 and not found <= _EAST_ASIAN
