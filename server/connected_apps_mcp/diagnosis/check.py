"""A check, what it looks at, and what it finds."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Literal

from connected_apps_mcp.settings.settings import Settings
from connected_apps_tools.api.ttl_cache import TtlCache
from connected_apps_tools.storage.threads import in_thread

from .entries import FoundEntry, UnreadableConfiguration, known_entries
from .service_call import ServiceCall

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes:
        text: a sentence about it.
        remedy: what to do, in a sentence; empty only if all is well.
    """

    state: State
    text: str
    remedy: str = ""


def ok(text: str) -> Result:
    """Something is well."""
    return Result("ok", text)


def warning(text: str, remedy: str) -> Result:
    """Something works, but not as it should."""
    return Result("warning", text, remedy)


def broken(text: str, remedy: str) -> Result:
    """Something does not work."""
    return Result("broken", text, remedy)


def cause(error: Exception) -> str:
    """What an error says, without what it says to do: a remedy says that."""
    return re.split(r"\. |: (?=run |choose )", str(error))[0].removesuffix(".") + "."


@dataclass(frozen=True)
class Machine:
    """What the checks look at.

    Attributes:
        settings: the settings, which may contradict each other; None if one is malformed.
        malformed: what is wrong with the settings if they are None.
        call: makes one read call to the service, once for all checks.
        entries: finds what the clients on this machine know of this server.
        start_seconds: the time that the server of an entry has to list its tools.
    """

    settings: Settings | None
    malformed: str
    call: TtlCache[ServiceCall | None]
    entries: Callable[[], Iterable[FoundEntry | UnreadableConfiguration]] = known_entries
    start_seconds: float = 8.0


Look = Callable[[Machine], Awaitable[Sequence[Result]]]


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: what it is about.
        look: what it asks, in its docstring. It returns a result for each line of the report.
        seconds: the time that it has.
        acts: whether it makes something, if only for a moment. It runs after those that only look.
    """

    name: str
    look: Look
    seconds: float = 10.0
    acts: bool = False


def blocking(look: Callable[[Machine], Iterable[Result]]) -> Look:
    """A check that blocks, in a thread of its own."""

    @wraps(look)
    async def in_its_thread(machine: Machine) -> Sequence[Result]:
        return await in_thread(lambda: list(look(machine)))

    return in_its_thread


def of_settings(look: Callable[[Settings], Iterable[Result]]) -> Look:
    """A check that blocks and needs the settings. Without them it finds nothing."""

    @wraps(look)
    def if_there_are_any(machine: Machine) -> Iterable[Result]:
        return look(machine.settings) if machine.settings else []

    return blocking(if_there_are_any)
