"""The settings that a person chooses in a form of a client, from the catalogue of settings."""

from typing import Literal, NamedTuple

from connected_apps_mcp.settings import loading, settings

CHOSEN = ("sandbox", "profile", "toolsets", "read_only", "allow_live_writes")
"""The settings in such a form. A person who needs others writes an entry by hand."""

DEFAULTS = {"sandbox": True}
"""A person who has chosen nothing yet gets the sandbox, where the server works at once."""


class Option(NamedTuple):
    """A setting in a form."""

    key: str
    variable: str
    title: str
    description: str
    kind: Literal["boolean", "string"]
    default: bool | str
    """Never absent: some clients pass a placeholder on where there is no value."""
    secret: bool = False


def _option(name: str) -> Option:
    field = settings.FLAGS[name]
    boolean = field.annotation is bool
    return Option(
        key=name,
        variable=settings.variable(name),
        title=name.replace("_", " ").capitalize(),
        description=_description(name),
        kind="boolean" if boolean else "string",
        default=DEFAULTS.get(name, False if boolean else ""),
    )


def _description(name: str) -> str:
    """The help text of a setting, without its default if a form has another one."""
    text = settings.FLAGS[name].description or ""
    if name not in DEFAULTS:
        return text
    return text.partition(" Default: ")[0] + " Turn it off to manage your project."


OPTIONS = [_option(name) for name in CHOSEN]

SWITCHES_OF_PROFILES = [
    option.key
    for option in OPTIONS
    if option.kind == "boolean" and option.key in loading.REMEMBERED
]
"""Switches that a profile can have turned on. One of a form that is off must not win over it."""

CREDENTIALS = [
    Option(
        key="project_id",
        variable=settings.PROJECT_ID,
        title="Project ID",
        description="From the dashboard of Stytch, such as project-test-…. Without the sandbox.",
        kind="string",
        default="",
    ),
    Option(
        key="secret",
        variable=settings.SECRET,
        title="Secret",
        description="A secret of this project. The server sends it only to the service.",
        kind="string",
        default="",
        secret=True,
    ),
]
"""For clients that store what is secret in the keychain of the system."""
