"""Types of settings, and the hint for a value that is not allowed."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import ErrorDetails, PydanticCustomError

from connected_apps_tools.text.printable import did_you_mean

Auth = Literal["none", "issuer", "stytch", "sandbox"]

LogLevel = Literal["debug", "info", "warning", "error"]


def _comma_separated(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise PydanticCustomError("home", "there is no such home folder") from None


HomePath = Annotated[Path, AfterValidator(_expanded)]
"""A path that may begin with ~: no shell expands it in a host's configuration file."""

NameList = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...],
    BeforeValidator(_comma_separated),
]

Transports = Annotated[
    tuple[Literal["stdio", "http", "sse"], ...], BeforeValidator(_comma_separated)
]


def nearest_value(problem: ErrorDetails) -> str:
    """A hint at the allowed value closest to the given one, which is not shown."""
    if problem["type"] != "literal_error":
        return ""
    allowed = re.findall("'(.+?)'", problem["ctx"]["expected"])
    return did_you_mean(str(problem["input"]).casefold(), allowed)
