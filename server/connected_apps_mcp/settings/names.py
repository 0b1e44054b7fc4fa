"""The names of a setting, its flag and its variable, and what the environment gives."""

import os
from collections.abc import Iterable

from .credentials import (
    DATABASE_URL,
    INTROSPECTION_CLIENT_ID,
    INTROSPECTION_SECRET,
    PREFIX,
    PROJECT_ID,
    SECRET,
)

CREDENTIAL_VARIABLES = {
    "project_id": PROJECT_ID,
    "secret": SECRET,
    "introspection_client_id": INTROSPECTION_CLIENT_ID,
    "introspection_secret": INTROSPECTION_SECRET,
    "database_url": DATABASE_URL,
}
"""The variables of the credentials, which have no flags."""


def flag(name: str) -> str:
    """The flag of a setting."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return CREDENTIAL_VARIABLES.get(name) or PREFIX + name.upper()


def from_environment(names: Iterable[str]) -> dict[str, str]:
    """The values that the environment gives, by the name of the setting.

    Empty variables and the case of names do not count. `pydantic-settings` would do no more here,
    and its import takes longer than that of click.
    """
    given = {name.upper(): value for name, value in os.environ.items() if value}
    return {name: given[variable(name)] for name in names if variable(name) in given}
