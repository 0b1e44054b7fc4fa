"""Which project this is: what the service knows us by.

The credentials are variables only, under the names that the vendor's SDKs use: every process of a
machine can read what stands on a command line.
"""

import re

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from connected_apps_tools.api.service import Credentials, is_live

PREFIX = "CONNECTED_APPS_MCP_"
PROJECT_ID = "STYTCH_PROJECT_ID"
SECRET = "STYTCH_SECRET"  # noqa: S105 - a variable's name

OFFER = "To try it out without credentials, use --sandbox."


class SettingsError(Exception):
    """A setting is missing, malformed or unknown. The text names it and never holds its value."""


class ProjectSettings(BaseSettings):
    """Which project the service knows us as."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    project_id: str | None = Field(None, validation_alias=PROJECT_ID)
    secret: SecretStr | None = Field(None, validation_alias=SECRET)

    def credentials(self) -> Credentials:
        """The project's credentials.

        Raises:
            SettingsError: one of the two is missing, or cannot be what the dashboard shows.
        """
        # Both are looked at before the form of the id: an unexpanded placeholder is said to be one.
        given = _checked(PROJECT_ID, self.project_id)
        secret = _checked(SECRET, self.secret.get_secret_value() if self.secret else None)
        project_id = _project_id(given)
        environment, other = ("live", "test") if is_live(project_id) else ("test", "live")
        if secret.startswith(f"secret-{other}-"):
            raise SettingsError(
                f"{SECRET} is a secret of a {other} project, and {PROJECT_ID} names a "
                f"{environment} project: take both from the same one."
            )
        return Credentials(project_id, SecretStr(secret))

    def known_project(self) -> str:
        """The id of the project, for what needs no secret of it.

        Raises:
            SettingsError: it is missing, or is malformed.
        """
        return _project_id(_checked(PROJECT_ID, self.project_id))


def _checked(variable: str, value: str | None) -> str:
    if not value:
        raise SettingsError(f"{variable} is not set. {OFFER}")
    if not re.fullmatch(r"[!-~]{1,512}", value) or "${" in value:
        raise SettingsError(
            f"{variable} is malformed: it must be printable ASCII without spaces, "
            f"copied whole, and not an unexpanded placeholder. {OFFER}"
        )
    return value


def _project_id(value: str) -> str:
    # INFERRED that there are no others. What the guard of live projects would not recognise
    # must not pass for a test project: whether the service minds the case is UNKNOWN.
    if not re.fullmatch(r"project-(?:test|live)-[\w-]+", value):
        raise SettingsError(
            f"{PROJECT_ID} is malformed: it must look like project-test-… or project-live-…, "
            f"in small letters. {OFFER}"
        )
    return value
