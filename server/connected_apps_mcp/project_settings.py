"""Which project this is: what the service knows us by.

The credentials are variables only, under the names that the vendor's SDKs use: every process of a
machine can read what stands on a command line.
"""

import re

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from connected_apps_tools.service import Credentials, is_live

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
        given = {
            PROJECT_ID: self.project_id,
            SECRET: self.secret.get_secret_value() if self.secret else None,
        }
        for variable, value in given.items():
            if not value:
                raise SettingsError(f"{variable} is not set. {OFFER}")
            if not re.fullmatch(r"[!-~]{1,512}", value) or "${" in value:
                raise SettingsError(
                    f"{variable} is malformed: it must be printable ASCII without spaces, "
                    f"copied whole, and not an unexpanded placeholder. {OFFER}"
                )
        # INFERRED that there are no others. What the guard of live projects would not recognise
        # must not pass for a test project: whether the service minds the case is UNKNOWN.
        if not re.fullmatch(r"project-(?:test|live)-[\w-]+", given[PROJECT_ID] or ""):
            raise SettingsError(
                f"{PROJECT_ID} is malformed: it must look like project-test-… or project-live-…, "
                f"in small letters. {OFFER}"
            )
        environment, other = (
            ("live", "test") if is_live(given[PROJECT_ID] or "") else ("test", "live")
        )
        if (given[SECRET] or "").startswith(f"secret-{other}-"):
            raise SettingsError(
                f"{SECRET} is a secret of a {other} project, and {PROJECT_ID} names a "
                f"{environment} project: take both from the same one."
            )
        return Credentials(given[PROJECT_ID] or "", SecretStr(given[SECRET] or ""))
