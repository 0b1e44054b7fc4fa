"""Command lines, ready to paste into the shell of the user: PowerShell on Windows, else POSIX."""

import re
import shlex
import sys
from collections.abc import Iterable, Mapping

_PLAIN = re.compile(r"[A-Za-z0-9_][\w.\\/:-]*|--?[A-Za-z][\w-]*", re.ASCII)


def command_line(words: Iterable[str], variables: Mapping[str, str] | None = None) -> str:
    """A command with its arguments, and environment variables for it."""
    shell = for_powershell if sys.platform == "win32" else for_posix
    return shell(words, variables or {})


def for_posix(words: Iterable[str], variables: Mapping[str, str]) -> str:
    """The same for a POSIX shell."""
    return " ".join(
        [*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), shlex.join(words)]
    )


def for_powershell(words: Iterable[str], variables: Mapping[str, str]) -> str:
    """The same for PowerShell, where the variables stay set."""
    settings = [f"$env:{name} = {_in_quotes(value)}" for name, value in variables.items()]
    program, *arguments = words
    called = program if _PLAIN.fullmatch(program) else f"& {_in_quotes(program)}"
    plain = [each if _PLAIN.fullmatch(each) else _in_quotes(each) for each in arguments]
    return "; ".join([*settings, " ".join([called, *plain])])


def _in_quotes(word: str) -> str:
    # PowerShell takes the typographic quotes for the plain one, and two of a kind for one.
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", word) + "'"
