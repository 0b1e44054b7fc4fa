"""How a text is laid out, for what is added to look alike."""

import re

from pydantic import JsonValue


def nested(path: tuple[str, ...], value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A value in an object for each name of a path."""
    for name in reversed(path):
        value = {name: value}
    return value


def line_break(text: str) -> str:
    """How the lines of a text end."""
    end = text.find("\n")
    return "\r\n" if text[end - 1 : end] == "\r" else "\n"


def indentation(text: str, position: int) -> str:
    """The blanks that the line of a position starts with."""
    line = _line_before(text, position)
    return line[: len(line) - len(line.lstrip(" \t"))]


def starts_line(text: str, position: int) -> bool:
    """Whether a position is the first of its line that is not blank."""
    return not _line_before(text, position).strip(" \t")


def unit(text: str, plain: str) -> str:
    """One step of indentation: that of the first indented line, or two spaces.

    Args:
        text: the text.
        plain: the same without comments; blanks are in their place.
    """
    for found in re.finditer(r"^([ \t]+)[^\s]", plain, re.MULTILINE):
        if text.startswith(found[1], found.start()):
            return found[1]
    return "  "


def appended(text: str, lines: str) -> str:
    """The text with lines at its end. It then ends with a line break if it did before."""
    end = line_break(text)
    return text + lines + end if not text or text.endswith("\n") else text + end + lines


def line_start(text: str, position: int) -> int:
    """Where the line of a position starts."""
    return text.rfind("\n", 0, position) + 1


def _line_before(text: str, position: int) -> str:
    return text[line_start(text, position) : position]
