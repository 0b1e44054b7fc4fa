"""The command line: every command with its flags, and its exit codes."""

import re
from collections.abc import Iterator, Set

import click

from connected_apps_mcp.client_configs.entries import PROGRAM
from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.settings import settings

from .markdown import escaped, table

EXIT_CODES = re.compile(r"Exit code (?P<codes>.+)", re.DOTALL)
SETTINGS = dict.fromkeys(settings.flag(name) for name in settings.FLAGS)
"""The flags of the settings, in their order."""


def all_commands(
    group: click.Group = main, parents: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its words."""
    for name, command in sorted(group.commands.items()):
        words = (*parents, name)
        if isinstance(command, click.Group):
            yield from all_commands(command, words)
        else:
            yield words, command


def commands() -> str:
    """A section for each command: what it does, its arguments and flags."""
    return "\n".join(_section(words, command) for words, command in all_commands())


def exit_codes() -> str:
    """The exit codes of the commands that have some of their own."""
    return table(
        ["command", "exit codes"],
        (
            [f"`{' '.join(words)}`", escaped(found["codes"])]
            for words, command in all_commands()
            for paragraph in _paragraphs(command)
            if (found := EXIT_CODES.search(paragraph))
        ),
    )


def context_of(command: click.Command) -> click.Context:
    """Click makes a command's help option once: it must have the names that it has for users."""
    return click.Context(command, **main.context_settings)


def _section(words: tuple[str, ...], command: click.Command) -> str:
    usage = " ".join([PROGRAM, *words, *command.collect_usage_pieces(context_of(command))])
    return (
        "\n\n".join(
            [
                f"### {' '.join(words)}",
                f"```text\n{usage}\n```",
                *map(escaped, _paragraphs(command)),
                *_flags(command),
            ]
        )
        + "\n"
    )


def _paragraphs(command: click.Command) -> list[str]:
    text = (command.help or "").replace("\b", "")
    return [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text)]


def _flags(command: click.Command) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    own = [each for each in options if not _is_setting(each)]
    if own:
        rows = ([f"`{_names(option)}`", escaped(option.help or "")] for option in own)
        yield table(["flag", "meaning"], rows).rstrip()
    yield from _shared({each.opts[0] for each in options if _is_setting(each)})


def _is_setting(option: click.Option) -> bool:
    """Whether a flag is a setting. Another flag may have its name, and then another help."""
    return (option.help or "").endswith(f"${settings.variable(str(option.name))}")


def _shared(flags: Set[str]) -> Iterator[str]:
    """The settings of a command: those that it has, or those that it lacks if they are fewer."""
    lacking = SETTINGS.keys() - flags
    if not lacking:
        yield "All [settings](settings.md)."
    elif len(lacking) < len(flags):
        yield f"All [settings](settings.md) but {_listed(lacking)}."
    elif flags:
        yield f"[Settings](settings.md): {_listed(flags)}."


def _listed(flags: Set[str]) -> str:
    return ", ".join(f"`{flag}`" for flag in SETTINGS if flag in flags)


def _names(option: click.Option) -> str:
    names = ", ".join(option.opts)
    if option.is_flag:
        return names
    return f"{names} {option.make_metavar(click.Context(click.Command('')))}"
