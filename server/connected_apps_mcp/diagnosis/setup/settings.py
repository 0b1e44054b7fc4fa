"""Checks the settings, and says where each comes from."""

import re
from collections.abc import Iterator

from connected_apps_mcp.diagnosis.check import Machine, Result, broken, ok
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.contradictions import policy_problems, problems_of
from connected_apps_mcp.settings.settings import FLAGS, SettingsError


def settings(machine: Machine) -> Iterator[Result]:
    """Whether the settings are valid, and where each that is not a default comes from."""
    if machine.settings is None:
        for problem in machine.malformed.splitlines():
            yield broken(
                problem,
                f"{_correct(problem)} Then run this again: many checks need valid settings.",
            )
        return
    for problem in problems_of(machine.settings):
        if problem not in policy_problems(machine.settings):  # it has a check of its own
            yield broken(problem, _correct(problem))
    given = [name for name in FLAGS if name in machine.settings.model_fields_set]
    for name in given:
        yield ok(f"{name} comes from {machine.settings.sources[name]}.")
    if not given:
        yield ok("Every setting has its default.")


def variables(_machine: Machine) -> Iterator[Result]:
    """Whether there are variables with our prefix that are no settings."""
    try:
        loading.refuse_unknown_variables()
    except SettingsError as error:
        name = str(error).removeprefix("Unknown variable ").partition(".")[0]
        yield broken(str(error), f"Correct its name, or remove it where it is set: unset {name}.")


def _correct(problem: str) -> str:
    named = re.findall(r"--[a-z][a-z-]+|\b[A-Z]+(?:_[A-Z]+)+\b", problem)
    subject = " or ".join(dict.fromkeys(named)) or "what it names"
    return f"Correct {subject}. To see what is allowed, run: {command('help', 'serve')}."
