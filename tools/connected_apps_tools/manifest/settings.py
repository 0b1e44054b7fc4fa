"""The settings of an app in a manifest, in the one form in which they are compared."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias, get_args, get_origin

from pydantic import Field, ValidationError

from connected_apps_tools.api.models import App, AppSettings, ClientType, CreateApp
from connected_apps_tools.safety.policy import NEW_APP_MINUTES

from .types import CLIENT_ID, problem_with

Value: TypeAlias = bool | int | str | list[str]
Settings: TypeAlias = Mapping[str, Value]
"""Every setting by its name, normalised."""

TYPE = "client_type"
TYPES: tuple[str, ...] = get_args(ClientType)


class AppTable(AppSettings):
    """The settings in one table of a manifest: those of a request, and the type of the app."""

    client_type: ClientType | None = Field(
        None, description=CreateApp.model_fields[TYPE].description
    )


SETTINGS = (TYPE, *(name for name in AppTable.model_fields if name != TYPE))
"""The name of each setting, in the order in which a manifest has them."""

_DEFAULTS: Mapping[type, Value] = {str: "", bool: False, int: NEW_APP_MINUTES, list: []}
"""What the service gives a setting that is left out, by its type (KNOWN). The one number is the
lifetime of access tokens.
"""

_EMPTY_TEMPLATE = re.compile(r"\s*\{\s*\}\s*")


def _default_of(name: str) -> Value:
    kind = get_args(AppTable.model_fields[name].annotation)[0]
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return _DEFAULTS[get_origin(kind) or kind]


DEFAULTS: Mapping[str, Value] = {name: _default_of(name) for name in AppSettings.model_fields}
"""What an app has if a manifest does not say otherwise. Its type has no default."""


def normalised(given: Mapping[str, Any]) -> Settings:
    """Every setting, in one form for what means the same. The type has to be given.

    A setting that is left out, or None, has its default. URLs are sorted and without doubles: their
    order means nothing (INFERRED: the vendor's Terraform provider has them as sets). An empty
    template is the same as none: the service fills in `{}` (KNOWN: the acceptance tests of that
    provider).
    """
    return {name: _normal(name, given.get(name)) for name in SETTINGS}


def _normal(name: str, value: Any) -> Value:  # noqa: ANN401 - as the setting has it
    if value is None:
        value = DEFAULTS[name]
    if isinstance(value, list):
        return sorted(set(value))
    if name.endswith("_template_content") and _EMPTY_TEMPLATE.fullmatch(value):
        return ""
    return value  # type: ignore[no-any-return]  # the request types have checked it


def settings_of(app: App) -> Settings:
    """The settings of an app of the service."""
    return normalised({name: getattr(app, name) for name in SETTINGS})


def given_in(settings: Settings) -> dict[str, Value]:
    """The settings that are not the default: what a manifest and a new app have to name."""
    return {name: value for name, value in settings.items() if value != DEFAULTS.get(name)}


def differing(before: Settings, after: Settings) -> Iterator[str]:
    """The names of the settings that differ."""
    return (name for name in SETTINGS if before[name] != after[name])


def can_express(app: App) -> bool:
    """Whether a manifest and a binding can hold an app: the service may know more than we do."""
    try:
        AppTable.model_validate(settings_of(app))
    except ValidationError:
        return False
    return problem_with(CLIENT_ID, app.client_id) is None
