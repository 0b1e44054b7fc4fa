"""Compares texts by how they look to a person, similar to Unicode's UTS 39.

The table holds the Cyrillic, Greek, Armenian and extended Latin letters that look like ASCII, and
the look-alikes within ASCII. It is not all of UTS 39: most of its pairs look different in any font.
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
"""Capitals that look like another letter than their small letter does."""

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
"""Scripts that are usually written together (UTS 39, section 5.2, highly restrictive)."""


def spelling(text: str) -> str:
    """The letters and digits of `text`, without case, separators and invisible characters."""
    return _letters(unicodedata.normalize("NFKC", _visible(text)).casefold())


def skeleton(text: str) -> str:
    """A key for how `text` looks. Two texts with the same skeleton are easily confused.

    It is empty for a text without letters and digits.
    """
    key = _ACCENTS.sub("", unicodedata.normalize("NFKD", _visible(text)))
    key = key.translate(_CAPITALS).casefold().translate(_SMALLS)
    key = _letters(key.translate(_WITHIN_ASCII))
    for pair, looks in _PAIRS.items():
        key = key.replace(pair, looks)
    return key


def _visible(text: str) -> str:
    return printable(text, len(text))


def _letters(text: str) -> str:
    return "".join(filter(_is_letter_or_digit, text))


def _is_letter_or_digit(c: str) -> bool:
    """Whether it is a letter, a digit or a vowel sign."""
    return c.isalnum() or (unicodedata.category(c) in {"Mn", "Mc"} and not unicodedata.combining(c))


def scripts(text: str) -> list[str]:
    """The Unicode names, in capitals, of the scripts of the letters in `text`."""
    names = (unicodedata.name(c, "") for c in text if unicodedata.category(c).startswith("L"))
    return sorted({re.split("[ -]", name)[0] for name in names if name})


def mixes_scripts(text: str) -> bool:
    """Whether `text` mixes scripts that are not usually written together."""
    if text.isascii():
        return False
    found = set(scripts(text))
    return len(found) > 1 and not found <= _EAST_ASIAN
