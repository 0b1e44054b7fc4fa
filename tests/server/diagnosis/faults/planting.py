"""What a fault is, and how a test plants it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from ports import free_port
from server.diagnosis.machines import Desk

CANARY = "canary-Zx81kQ0pLm27vTn4Rb6wYs3c"

OTHER_USER = 12345


@dataclass
class Planting:
    """What a fault is planted with.

    Attributes:
        desk: the desk to spoil.
        stack: what ends after the test.
        patch: changes the process for the time of the test.
    """

    desk: Desk
    stack: ExitStack
    patch: pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        plant: plants it.
        checks: the checks that find it.
        remedy: a pattern of the remedy.
        state: how bad it is.
    """

    plant: Callable[[Planting], None]
    checks: set[str]
    remedy: str
    state: str = "broken"


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, *checks: str, remedy: str, state: str = "broken"
) -> Callable[[Callable[[Planting], None]], Callable[[Planting], None]]:
    """Add a fault that this function plants."""

    def add(plant: Callable[[Planting], None]) -> Callable[[Planting], None]:
        FAULTS[name] = Fault(plant, set(checks), remedy, state)
        return plant

    return add


def simple(
    name: str,
    *checks: str,
    remedy: str,
    flags: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
) -> None:
    """Add a fault of flags or variables. PATH and CLOSED stand for the folder and a closed port."""

    def plant(on: Planting) -> None:
        def filled(text: str) -> str:
            return text.replace("PATH", str(on.desk.folder)).replace("CLOSED", str(free_port()))

        on.desk.flags |= {flag: filled(value) for flag, value in (flags or {}).items()}
        on.desk.environment |= {
            variable: filled(value) for variable, value in (environment or {}).items()
        }

    FAULTS[name] = Fault(plant, set(checks), remedy)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path
