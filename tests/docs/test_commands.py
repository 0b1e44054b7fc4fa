"""Every command that a document shows is there, with its flags."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

import generate
from connected_apps_mcp.client_configs.entries import PROGRAM
from connected_apps_mcp.commands.cli import main
from generator.commands import context_of
from generator.places import ROOT

CODE = re.compile(r"^ *```(?P<kind>\w*)\n(?P<block>.*?)^ *```|`(?P<span>[^`]+)`", re.M | re.S)
SHELLS = {None, "console", "sh", "bash"}
OUTPUT = re.compile(r"^(?! *\$ ).*\n", re.M)
CALL = re.compile(rf"(?<!--tag )(?<![\w/.-]){PROGRAM}(?P<words>(?: [^|<>\n#;)]*)?)")
HELP = {"-h", "--help", "--version", "help", "COMMAND"}


def shown(text: str) -> Iterator[str]:
    """What follows the name of the program, wherever code has it."""
    for code in CODE.finditer(text):
        if code["kind"] in SHELLS:
            joined = re.sub(r"\\\n *", "", code["block"] or " ".join(code["span"].split()))
            typed = OUTPUT.sub("", joined) if code["kind"] == "console" else joined
            for call in CALL.finditer(typed):
                yield call["words"].strip()


def check(words: list[str]) -> None:
    """Raise a `click.UsageError` unless it is a command of ours with flags that it has."""
    command: click.Command = main
    if not words or words[0].startswith("-"):
        words = ["serve", *words]
    while isinstance(command, click.Group) and words:
        if words[0] in HELP:
            return
        command = command.commands.get(words[0]) or _unknown(words[0])
        words = words[1:]
    if HELP & set(words):
        return
    *_, left, _ = command.make_parser(context_of(command)).parse_args(words)
    if left:
        raise click.UsageError(f"{left} are too many")


def _unknown(word: str) -> click.Command:
    raise click.UsageError(f"{word} is no command")


CALLS = sorted(
    {
        (str(path.relative_to(ROOT)), words)
        for path in generate.DOCUMENTS
        if path.name != "CHANGELOG.md"
        for words in shown(path.read_text("utf-8"))
    }
)


def test_the_documents_show_commands() -> None:
    assert len(CALLS) > 50


@pytest.mark.parametrize(("document", "words"), CALLS)
def test_every_command_that_is_shown_is_there_with_its_flags(document: str, words: str) -> None:  # noqa: ARG001 - names the test
    check(shlex.split(words))


@pytest.mark.parametrize(
    "words",
    ["nonsense", "audit nonsense", "--nonsense", "audit tail --nonsense", "whoami too many"],
)
def test_a_command_or_flag_that_is_not_there_is_found(words: str) -> None:
    with pytest.raises(click.UsageError):
        check(words.split())
