"""Runs a command on the project of its flags, and shows what goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from connected_apps_mcp.commands.common import log_to_stderr, run, setting_flags
from connected_apps_mcp.settings import loading

if TYPE_CHECKING:
    from connected_apps_mcp.settings.settings import Settings
    from connected_apps_tools import ToolContext

T = TypeVar("T")

PROJECT = ("profile", "sandbox", "sandbox_db", "base_url", "data_dir", "deadline")
"""The settings that lead to a project."""

MAX_ERROR = 10_000
"""Longest error to show, in characters."""

project_flags = setting_flags(PROJECT)

manifest_file = click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="apps.toml",
    show_default=True,
    help="The manifest. Its bindings are beside it: apps.lock.toml.",
)


def on_project(act: Callable[[Settings, ToolContext], Awaitable[T]], flags: dict[str, object]) -> T:
    """Run an act on the project that the flags name.

    Raises:
        SettingsError: a setting is wrong.
        click.ClickException: it failed.
    """
    from connected_apps_tools.errors import ConnectedAppsError
    from connected_apps_tools.storage.errors import StoreError
    from connected_apps_tools.storage.owned_files import FileRefused
    from connected_apps_tools.text.redaction import REDACTOR

    log_to_stderr("warning")
    settings = loading.load(**flags)
    try:
        return run(partial(_open_and_run, act, settings))
    except ConnectedAppsError as error:
        text = "\n".join(filter(None, [str(error), error.hint]))
    except (StoreError, FileRefused) as error:
        text = str(error)
    raise click.ClickException(REDACTOR.redact(text)[:MAX_ERROR])


async def _open_and_run(
    act: Callable[[Settings, ToolContext], Awaitable[T]], settings: Settings
) -> T:
    from connected_apps_mcp.wiring import open_project
    from connected_apps_tools.context import ServerInfo

    about = ServerInfo(environment=settings.environment, profile=settings.profile)
    limits = settings.review_limits
    async with open_project(settings) as project:
        return await act(settings, replace(project, server=about, review_limits=limits))
