"""Checks the clients that know this server: each entry is started as a client starts it."""

import shutil
from collections.abc import Iterable, Iterator, Sequence

import anyio

from connected_apps_mcp.client_configs.entries import SECRET_WORD
from connected_apps_mcp.diagnosis.check import Machine, Result, broken, cause, ok, warning
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.diagnosis.entries import FoundEntry, Launch, UnreadableConfiguration
from connected_apps_mcp.settings.credentials import SettingsError
from connected_apps_mcp.settings.names import CREDENTIAL_VARIABLES
from connected_apps_mcp.wiring import STORE_CREDENTIALS
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.text.redaction import REDACTOR

from .starting import DoesNotStart, tools_of

SECRETS = tuple(
    CREDENTIAL_VARIABLES[name] for name in ("secret", "introspection_secret", "database_url")
)
"""Variables that should not be in the configuration of a client."""

AT_ONCE = 2
"""Servers that run at a time: a start takes a processor."""


async def clients(machine: Machine) -> Sequence[Result]:
    """Whether the entry of each client works, and holds no secret."""
    found = await in_thread(_found_on, machine)
    if isinstance(found, SettingsError):
        return [broken(cause(found), "Set HOME, and run this in a folder that is there.")]
    entries = [each for each in found if isinstance(each, FoundEntry)]
    for entry in entries:
        _redact(entry.launch)
    # Even a client asks before it starts what a repository brings along.
    own = _distinct(entry.launch for entry in entries if not entry.shared)
    started = await _start(own, machine.start_seconds)
    results: list[Result] = []
    for each in found:
        if isinstance(each, UnreadableConfiguration):
            remedy = f"Correct the file, then run: {command('install')}"
            results.append(warning(f"{each.client}: {each.why}", remedy))
        else:
            results += [*_secrets_in(each), _works(each, started)]
    return results


def _found_on(machine: Machine) -> list[FoundEntry | UnreadableConfiguration] | SettingsError:
    try:
        return list(machine.entries())
    except SettingsError as error:
        return error


Outcomes = list[tuple[Launch, int | str]]
"""For each launch, how many tools the server lists, or why it lists none."""


def _distinct(launches: Iterable[Launch]) -> list[Launch]:
    """The launches that differ: most people have the same entry in each client."""
    distinct: list[Launch] = []
    for launch in launches:
        if launch not in distinct:
            distinct.append(launch)
    return distinct


async def _start(launches: Sequence[Launch], seconds: float) -> Outcomes:
    outcomes: Outcomes = []
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def start(launch: Launch) -> None:
        if shutil.which(launch.command) is None:
            outcomes.append((launch, f"names a command that is not there: {launch.command}"))
            return
        async with limiter:
            try:
                outcomes.append((launch, await tools_of(launch, seconds)))
            except DoesNotStart as error:
                outcomes.append((launch, str(error)))

    async with anyio.create_task_group() as tasks:
        for launch in launches:
            tasks.start_soon(start, launch)
    return outcomes


def _works(entry: FoundEntry, started: Outcomes) -> Result:
    if entry.shared:
        return ok(f"{entry} is not started here: others may have written that file.")
    outcome = next(outcome for launch, outcome in started if launch == entry.launch)
    if isinstance(outcome, str):
        install = command("install", *entry.install)
        remedy = f"Correct that, or run: {install}. To see more, start it in a terminal."
        return broken(f"{entry} {outcome}", remedy)
    return ok(f"{entry} works. Tools: {outcome}.")


def _secrets_in(entry: FoundEntry) -> Iterator[Result]:
    given = entry.launch.environment
    named = [name for name in SECRETS if _is_secret(given.get(name, ""))]
    if named or SECRET_WORD.search(" ".join(entry.launch.arguments)):
        yield warning(
            f"{entry} holds {' and '.join(named) or 'a secret'} in plain text.",
            f"Run {command('login')}, then {command('install', *entry.install)}. Then replace the "
            "secret in the Stytch dashboard, if others could read the file.",
        )


def _is_secret(value: str) -> bool:
    """Whether a value is more than a placeholder that the client fills in."""
    return bool(value) and "${" not in value


def _redact(launch: Launch) -> None:
    for name in (*SECRETS, *STORE_CREDENTIALS):
        REDACTOR.add(launch.environment.get(name))
    for word in SECRET_WORD.findall(" ".join([launch.command, *launch.arguments])):
        REDACTOR.add(word.removeprefix("STYTCH_SECRET="))
