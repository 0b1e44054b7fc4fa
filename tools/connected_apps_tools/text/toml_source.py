"""Where each statement of a TOML text is, so that one can change and the rest stays as it is."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

_STRINGS_AND_COMMENTS = re.compile(
    r"""
      \"{3}(?:[^\\]|\\.)*?\"{3,5}
    | '{3}.*?'{3,5}
    | "(?:[^"\\]|\\.)*"
    | '[^']*'
    | \#[^\r\n]*
    """,
    re.DOTALL | re.VERBOSE,
)
OPEN, CLOSE, END = ("[", "{"), ("]", "}"), ("\n", "")


@dataclass(frozen=True)
class Statement:
    """A header, or a key with a value.

    Attributes:
        path: what it is about, from the root.
        header: the path of the header that it stands below; for a header its own.
        start: where its line starts in the text.
        value: where its value starts; for a header the end.
        end: where it ends.
        next: where the next line starts.
    """

    path: tuple[str, ...]
    header: tuple[str, ...]
    start: int
    value: int
    end: int
    next: int


class TomlSource:
    """A valid TOML text, and the same without comments and with `x` in the place of strings."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = _STRINGS_AND_COMMENTS.sub(_blanked, text)
        self.statements = list(self._read())

    def inline_parent(self, path: tuple[str, ...]) -> Statement | None:
        """The inline table that an entry is in, or has to go into."""
        for each in self.statements:
            above = len(each.path) < len(path) and path[: len(each.path)] == each.path
            if above and self.is_inline_table(each):
                return each
        return None

    def is_inline_table(self, statement: Statement) -> bool:
        """Whether the value of a statement is an inline table."""
        return self.plain.startswith("{", statement.value)

    def _read(self) -> Iterator[Statement]:
        header: tuple[str, ...] = ()
        start = depth = 0
        for found in re.finditer(r"[\[{\]}\n]|\Z", self.plain):
            depth += (found[0] in OPEN) - (found[0] in CLOSE)
            if depth or found[0] not in END:
                continue
            line = self.plain[start : found.start()].rstrip()
            end = start + len(line)
            if line.lstrip().startswith("["):
                header = _names(self.text[start:end])
                yield Statement(header, header, start, end, end, found.end())
            elif line:
                value = start + line.index("=") + 1
                path = header + _names(self.text[start:value] + "0")
                value = end - len(self.plain[value:end].lstrip())
                yield Statement(path, header, start, value, end, found.end())
            start = found.end()


def _blanked(found: re.Match[str]) -> str:
    return (" " if found[0].startswith("#") else "x") * len(found[0])


def _names(line: str) -> tuple[str, ...]:
    """The names in a header, or in a key with a value."""
    inner, names = tomllib.loads(line), []
    while inner:
        [(name, value)] = inner.items()
        names.append(name)
        inner = value[0] if isinstance(value, list) else value
    return tuple(names)
