"""Fills the settings from flags and the environment, and explains what is wrong with them."""

import os
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from connected_apps_tools.text.printable import did_you_mean

from .contradictions import problems_of
from .credentials import CREDENTIALS, PREFIX, SettingsError
from .settings import FLAGS, Settings, flag, variable
from .types import nearest_value


def refuse_unknown_variables() -> None:
    """Refuse misspelt variables.

    Raises:
        SettingsError: a variable has our prefix but is not a setting.
    """
    known = {*map(variable, FLAGS), *CREDENTIALS}
    for name in os.environ:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"Unknown variable {name}.{did_you_mean(name.upper(), known)}")


def load(**flags: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """The settings, from flags, else the environment, else defaults.

    Raises:
        SettingsError: a setting is unknown or malformed, settings contradict each other, or the
            credentials are missing.
    """
    settings = read(**flags)
    if not settings.sandbox:
        settings.credentials()
    return settings


def load_for_secrets(**flags: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Like `load`, for commands on the secret store: they need only the project's id.

    Raises:
        SettingsError: as in `load`, or the store is in the memory of another process.
    """
    settings = read(**flags)
    if not settings.sandbox:
        settings.known_project()
    if settings.temporary_data and settings.secret_store in {"auto", "file"}:
        raise SettingsError(
            "A sandbox in memory stores its secrets in memory, where no other process can read "
            "them. Use the tool reveal_client_secret; or start the server with --sandbox-db and "
            "--data-dir, and give both here."
        )
    return settings


def read(**flags: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Like `load`, but the credentials may be missing.

    Raises:
        SettingsError: a setting is unknown or malformed, or settings contradict each other.
    """
    try:
        given = {name: value for name, value in flags.items() if value is not None}
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(map(_explain, error.errors()))) from None
    for problem in problems_of(settings):
        raise SettingsError(problem)
    return settings


def _explain(problem: ErrorDetails) -> str:
    name = str(problem["loc"][0])
    return f"{flag(name)} or {variable(name)}: {problem['msg']}.{nearest_value(problem)}"
