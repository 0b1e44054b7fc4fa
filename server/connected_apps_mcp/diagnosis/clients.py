"""Checks the clients that know this server: each entry is started as a client starts it."""

import re
import shutil
from collections.abc import Sequence

import anyio

from connected_apps_mcp.settings.names import CREDENTIAL_VARIABLES
from connected_apps_mcp.wiring import STORE_CREDENTIALS
from connected_apps_tools.text.redaction import REDACTOR

from .check import Machine, Result, broken, ok, warning
from .commands import command
from .entries import FoundEntry, UnreadableConfiguration
from .starting import DoesNotStart, tools_of

SECRETS = (CREDENTIAL_VARIABLES["secret"], CREDENTIAL_VARIABLES["introspection_secret"])
"""Variables that should not be in the configuration of a client."""

SECRET_WORD = re.compile(r"STYTCH_SECRET=\S+|\bsecret-(?:test|live)-\S+")
"""A secret among the words of a command line."""

AT_ONCE = 2
"""Servers that run at a time: a start takes a processor."""


async def clients(machine: Machine) -> Sequence[Result]:
    """Whether the entry of each client works, and holds no secret."""
    results: dict[int, list[Result]] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def check(number: int, entry: FoundEntry) -> None:
        async with limiter:
            results[number] = [*_secrets_in(entry), await _started(entry, machine.start_seconds)]

    async with anyio.create_task_group() as checks:
        for number, found in enumerate(machine.entries()):
            if isinstance(found, UnreadableConfiguration):
                remedy = f"Correct the file, then run: {command('install')}"
                results[number] = [warning(f"{found.client}: {found.why}", remedy)]
            else:
                _redact(found)
                checks.start_soon(check, number, found)
    return [result for number in sorted(results) for result in results[number]]


async def _started(entry: FoundEntry, seconds: float) -> Result:
    install = f"Run: {command('install', *entry.install)}"
    if shutil.which(entry.command) is None:
        return broken(f"{entry} names a command that is not there: {entry.command}", install)
    try:
        count = await tools_of(entry, seconds)
    except DoesNotStart as error:
        return broken(f"{entry} {error}", f"{install}. To see more, start it in a terminal.")
    return ok(f"{entry} works. Tools: {count}.")


def _secrets_in(entry: FoundEntry) -> list[Result]:
    named = [name for name in SECRETS if _is_secret(entry.environment.get(name, ""))]
    if not named and not SECRET_WORD.search(" ".join(entry.arguments)):
        return []
    remedy = (
        f"Run {command('login')}, then {command('install', *entry.install)}. "
        "Then replace the secret in the Stytch dashboard, if others could read the file."
    )
    return [warning(f"{entry} holds {' and '.join(named) or 'a secret'} in plain text.", remedy)]


def _is_secret(value: str) -> bool:
    """Whether a value is more than a placeholder that the client fills in."""
    return bool(value) and "${" not in value


def _redact(entry: FoundEntry) -> None:
    for name in (*SECRETS, *STORE_CREDENTIALS):
        REDACTOR.add(entry.environment.get(name))
    for word in SECRET_WORD.findall(" ".join([entry.command, *entry.arguments])):
        REDACTOR.add(word.removeprefix("STYTCH_SECRET="))
