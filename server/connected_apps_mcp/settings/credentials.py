"""The credentials: of the project, of the issuer, and of the database.

The environment gives them, under the names that the vendor's SDKs use, or a profile. There is no
flag for them: every process of a machine can read a command line.
"""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr

from connected_apps_tools.api.service import Credentials, is_live

PREFIX = "CONNECTED_APPS_MCP_"
PROJECT_ID = "STYTCH_PROJECT_ID"
SECRET = "STYTCH_SECRET"  # noqa: S105 - a variable's name

INTROSPECTION_CLIENT_ID = f"{PREFIX}INTROSPECTION_CLIENT_ID"
INTROSPECTION_SECRET = f"{PREFIX}INTROSPECTION_SECRET"
DATABASE_URL = f"{PREFIX}DATABASE_URL"

PROJECT_ID_PATTERN = r"project-(?:test|live)-[\w-]+"
"""INFERRED: there are no other prefixes. Whether the service ignores case is UNKNOWN, so an id that
`is_live` would not recognise must not pass as a test project."""

HINT = "To try it without credentials, use --sandbox."
LOG_IN = "Run connected-apps-mcp login, or set STYTCH_PROJECT_ID and STYTCH_SECRET."


class SettingsError(Exception):
    """A setting is missing, malformed or unknown. The text names the setting, never its value."""


class ProjectSettings(BaseModel):
    """The credentials."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    project_id: str | None = None
    secret: SecretStr | None = None
    introspection_client_id: str | None = None
    introspection_secret: SecretStr | None = None
    database_url: SecretStr | None = None
    _sources: Mapping[str, str] = PrivateAttr({})
    _read_secret: Callable[[], SecretStr] | None = PrivateAttr(None)

    @classmethod
    def of(
        cls,
        values: Mapping[str, Any],
        sources: Mapping[str, str],
        read_secret: Callable[[], SecretStr] | None = None,
    ) -> Self:
        """The settings with these values.

        Args:
            values: the values that are not defaults.
            sources: where each of them comes from, for people.
            read_secret: reads the project's secret from where a profile keeps it.

        Raises:
            ValidationError: a value is malformed.
        """
        settings = cls(**values)
        settings._sources, settings._read_secret = sources, read_secret
        return settings

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each value comes from that is not a default: a flag, a variable or a profile."""
        return self._sources

    @property
    def logged_in(self) -> bool:
        """Whether the credentials are those of a profile."""
        return self._read_secret is not None

    @cached_property
    def project_secret(self) -> SecretStr | None:
        """The secret of the project, from the environment or the profile.

        Raises:
            SettingsError: the profile's secret cannot be read.
        """
        return self._read_secret() if self._read_secret else self.secret

    def credentials(self) -> Credentials:
        """The project's credentials.

        Raises:
            SettingsError: one of the two is missing or malformed, or they do not match.
        """
        the_id, the_secret = self._names()
        # Check both before the form of the id, to report an unexpanded placeholder as one.
        given = _require_well_formed(the_id, self.project_id)
        found = self.project_secret
        secret = _require_well_formed(the_secret, found.get_secret_value() if found else None)
        project_id = _project_id(the_id, given)
        environment, other = ("live", "test") if is_live(project_id) else ("test", "live")
        if secret.startswith(f"secret-{other}-"):
            raise SettingsError(
                f"{the_secret} belongs to a {other} project. {the_id} names a {environment} "
                "project. Take both from the same project."
            )
        return Credentials(project_id, SecretStr(secret))

    def known_project(self) -> str:
        """The id of the project, for commands that do not need its secret.

        Raises:
            SettingsError: it is missing or malformed.
        """
        the_id, _ = self._names()
        return _project_id(the_id, _require_well_formed(the_id, self.project_id))

    def _names(self) -> tuple[str, str]:
        """What a person calls the two credentials: the variables, unless they come from a login."""
        in_environment = self._sources.get("project_id", PROJECT_ID) == PROJECT_ID
        return (PROJECT_ID, SECRET) if in_environment else ("The project id", "The secret")


def _require_well_formed(name: str, value: str | None) -> str:
    if not value:
        raise SettingsError(f"{name} is not set. {LOG_IN} {HINT}")
    if not re.fullmatch(r"[!-~]{1,512}", value) or "${" in value:
        raise SettingsError(
            f"{name} is malformed: it must be printable ASCII without spaces, "
            f"complete, and not an unexpanded placeholder. {HINT}"
        )
    return value


def _project_id(name: str, value: str) -> str:
    if not re.fullmatch(PROJECT_ID_PATTERN, value):
        raise SettingsError(
            f"{name} is malformed: it must look like project-test-… or project-live-…, "
            f"in lower case. {HINT}"
        )
    return value
