"""Fills the settings from flags, the environment and a profile, and explains what is wrong.

A flag wins over its variable, and both win over the profile.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from connected_apps_tools.text.printable import did_you_mean

from .contradictions import problems_of
from .credentials import PREFIX, SettingsError
from .names import CREDENTIAL_VARIABLES, from_environment
from .settings import FLAGS, Settings, flag, variable
from .types import nearest_value

DEFAULT_PROFILE = "default"

NOT_REMEMBERED = ("profile", "sandbox", "sandbox_db", "sandbox_kind", "allow_live_writes")
"""Settings that a profile cannot hold. Each start has to ask for changes of a live project anew."""

REMEMBERED = tuple(name for name in FLAGS if name not in NOT_REMEMBERED)
"""Settings that a profile can hold."""


def refuse_unknown_variables() -> None:
    """Refuse misspelt variables.

    Raises:
        SettingsError: a variable has our prefix but is not a setting.
    """
    known = {*map(variable, FLAGS), *CREDENTIAL_VARIABLES.values()}
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
    settings = read_unchecked(**flags)
    for problem in problems_of(settings):
        raise SettingsError(problem)
    return settings


def read_unchecked(**flags: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Like `read`, but settings may contradict each other.

    Raises:
        SettingsError: a setting is unknown or malformed.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    environment = from_environment(Settings.model_fields)
    if given.get("sandbox") and "profile" not in given:
        environment.pop("profile", None)  # a flag wins over a variable
    sources = {name: variable(name) for name in environment} | {name: flag(name) for name in given}
    settings = _settings(environment | given, sources)
    return settings if settings.sandbox else _with_profile(settings, environment | given)


def check(values: Mapping[str, Any]) -> Settings:
    """The settings with these values, of a login. The environment and profiles do not count.

    Raises:
        SettingsError: as in `load`.
    """
    settings = _settings(values, dict.fromkeys(("project_id", "secret"), "login"))
    for problem in problems_of(settings):
        raise SettingsError(problem)
    settings.credentials()
    return settings


def chosen_profile(given: str | None) -> str:
    """The name of a profile: the given one, else that in the environment, else the default.

    Raises:
        SettingsError: it is not the name of a profile.
    """
    values = {"profile": given} if given is not None else from_environment(("profile",))
    return _settings(values, {}).profile or DEFAULT_PROFILE


def _with_profile(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings, completed by the profile in use if there is one."""
    has_credentials = settings.project_id is not None or settings.secret is not None
    if has_credentials and not settings.profile:
        return settings
    from .profiles import Profiles

    profiles, name = Profiles(), settings.profile or DEFAULT_PROFILE
    profile = profiles.get(name) if settings.profile else profiles.find(name)
    if profile is None:
        return settings
    _refuse_unknown(name, profile.settings)
    from_profile = {"profile": name} | profile.settings
    if not has_credentials:
        from_profile["project_id"] = profile.project_id
    sources = dict.fromkeys(from_profile, f"profile {name}") | dict(settings.sources)
    return _settings(
        from_profile | dict(given),
        sources,
        None if has_credentials else lambda: profiles.secret_of(name, profile.secret_in),
    )


def _refuse_unknown(name: str, settings: Iterable[str]) -> None:
    for setting in settings:
        if setting not in REMEMBERED:
            raise SettingsError(
                f"Profile {name}: unknown setting {setting}.{did_you_mean(setting, REMEMBERED)}"
            )


def _settings(
    values: Mapping[str, Any],
    sources: Mapping[str, str],
    read_secret: Callable[[], SecretStr] | None = None,
) -> Settings:
    try:
        return Settings.of(values, sources, read_secret)
    except ValidationError as error:
        explained = (_explain(problem, sources) for problem in error.errors())
        raise SettingsError("\n".join(explained)) from None


def _explain(problem: ErrorDetails, sources: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    source = sources.get(name, "")
    where = (
        f"Profile {source.removeprefix('profile ')}: {name}"
        if source.startswith("profile ")
        else f"{flag(name)} or {variable(name)}"
    )
    return f"{where}: {problem['msg']}.{nearest_value(problem)}"
