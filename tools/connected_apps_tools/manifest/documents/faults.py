"""The faults of a file, each with its line and key."""

from collections.abc import Iterable
from dataclasses import dataclass

from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.text.printable import printable

MAX_FAULTS = 20
"""Most faults that one error names."""

ENOUGH = 100
"""Faults after which reading stops: a person corrects these first."""

MAX_PLACE = 200
"""Most characters shown of the name of a file, and of a key."""


@dataclass(frozen=True)
class Fault:
    """What is wrong at one place.

    Attributes:
        file: the name of the file.
        line: the line, from 1; None if the file as a whole is at fault.
        key: the dotted key; empty if it is about no key.
        what: what is wrong, printable.
    """

    file: str
    line: int | None
    key: str
    what: str

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line else ""
        place = [self.file, line, self.key]
        shown = [printable(part, MAX_PLACE) for part in place if part]
        return f"{', '.join(shown)}: {self.what}"


class InvalidManifest(InvalidRequest):
    """A file has faults, so that nothing of it counts."""

    quotes = True
    hint = "Nothing was sent. Correct the file first."

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line or 0))
        lines = [str(fault) for fault in self.faults[:MAX_FAULTS]]
        if more := len(self.faults) - len(lines):
            lines.append(f"and {more} more" if len(self.faults) < ENOUGH else "and more")
        super().__init__("\n".join(lines))
