"""Command lines for the shells of the systems."""

import subprocess

import pytest

from connected_apps_tools.text.command_lines import for_posix, for_powershell

WORDS = ["printf", "%s\n", "plain", "two words", "it's", "$HOME", "", "--flag", 'a"b']


def test_a_posix_shell_reads_the_words_as_they_were() -> None:
    line = for_posix(WORDS, {"NAME": "a b"})
    shell = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert shell.stdout.splitlines() == WORDS[2:]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["tool", "secrets", "show", "--next"], "tool secrets show --next"),
        (["C:\\My Tools\\x.exe", "show"], "& 'C:\\My Tools\\x.exe' show"),
        (["tool", "it's", "", "$x", "a;b"], "tool 'it''s' '' '$x' 'a;b'"),
        (["tool", "\u2019; evil"], "tool '\u2019\u2019; evil'"),
    ],
)
def test_powershell_gets_every_odd_word_in_quotes(words: list[str], line: str) -> None:
    assert for_powershell(words, {}) == line


def test_powershell_sets_variables_before_the_command() -> None:
    assert for_powershell(["tool"], {"NAME": "a b"}) == "$env:NAME = 'a b'; tool"
