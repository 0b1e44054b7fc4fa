"""The project's credentials.

They are environment variables only, with the names that the vendor's SDKs use: every process of a
machine can read a command line.
"""

import os
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connected_apps_tools.api.service import Credentials, is_live

PREFIX = "CONNECTED_APPS_MCP_"
PROJECT_ID = "STYTCH_PROJECT_ID"
SECRET = "STYTCH_SECRET"  # noqa: S105 - a variable's name

INTROSPECTION_CLIENT_ID = f"{PREFIX}INTROSPECTION_CLIENT_ID"
INTROSPECTION_SECRET = f"{PREFIX}INTROSPECTION_SECRET"
CREDENTIALS = (INTROSPECTION_CLIENT_ID, INTROSPECTION_SECRET)
"""Variables with our prefix that are no flags: they are credentials."""

HINT = "To try it without credentials, use --sandbox."


class SettingsError(Exception):
    """A setting is missing, malformed or unknown. The text names the setting, never its value."""


class ProjectSettings(BaseModel):
    """The credentials, as the environment gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    project_id: str | None = Field(None, validation_alias=PROJECT_ID)
    secret: SecretStr | None = Field(None, validation_alias=SECRET)
    introspection_client_id: str | None = Field(None, validation_alias=INTROSPECTION_CLIENT_ID)
    introspection_secret: SecretStr | None = Field(None, validation_alias=INTROSPECTION_SECRET)

    @model_validator(mode="before")
    @classmethod
    def _read_environment(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Add what only the environment gives. Empty variables and the case of names do not count.

        `pydantic-settings` would do no more here, and its import takes longer than that of click.
        """
        environment = {name.upper(): value for name, value in os.environ.items() if value}
        fields = {
            str(field.validation_alias or PREFIX + name.upper()): str(
                field.validation_alias or name
            )
            for name, field in cls.model_fields.items()
        }
        found = {fields[name]: environment[name] for name in fields.keys() & environment.keys()}
        return found | given

    def credentials(self) -> Credentials:
        """The project's credentials.

        Raises:
            SettingsError: one of the two is missing or malformed, or they do not match.
        """
        # Check both before the form of the id, to report an unexpanded placeholder as one.
        given = _require_well_formed(PROJECT_ID, self.project_id)
        secret = _require_well_formed(
            SECRET, self.secret.get_secret_value() if self.secret else None
        )
        project_id = _project_id(given)
        environment, other = ("live", "test") if is_live(project_id) else ("test", "live")
        if secret.startswith(f"secret-{other}-"):
            raise SettingsError(
                f"{SECRET} belongs to a {other} project, but {PROJECT_ID} names a {environment} "
                "project. Take both from the same project."
            )
        return Credentials(project_id, SecretStr(secret))

    def known_project(self) -> str:
        """The id of the project, for commands that do not need its secret.

        Raises:
            SettingsError: it is missing or malformed.
        """
        return _project_id(_require_well_formed(PROJECT_ID, self.project_id))


def _require_well_formed(variable: str, value: str | None) -> str:
    if not value:
        raise SettingsError(f"{variable} is not set. {HINT}")
    if not re.fullmatch(r"[!-~]{1,512}", value) or "${" in value:
        raise SettingsError(
            f"{variable} is malformed: it must be printable ASCII without spaces, "
            f"complete, and not an unexpanded placeholder. {HINT}"
        )
    return value


def _project_id(value: str) -> str:
    # INFERRED: there are no other prefixes. Whether the service ignores case is UNKNOWN, so an id
    # that `is_live` would not recognise must not pass as a test project.
    if not re.fullmatch(r"project-(?:test|live)-[\w-]+", value):
        raise SettingsError(
            f"{PROJECT_ID} is malformed: it must look like project-test-… or project-live-…, "
            f"in lower case. {HINT}"
        )
    return value
