"""The command, with its flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from connected_apps_mcp.commands.common import (
    before_a_person,
    log_to_stderr,
    print_stderr,
    run,
    setting_flags,
)
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config
from connected_apps_mcp.settings.http import HttpSettings

if TYPE_CHECKING:
    from connected_apps_mcp.settings.settings import Settings

FLAGS = [
    name
    for name in config.FLAGS
    if name not in HttpSettings.model_fields
    and name not in {"metrics_port", "metrics_host", "send_trace_context", "state_key_file"}
]
"""The settings that lead to a project, and that protect it."""

NO_PROJECT = "No project is set up, so this is a sandbox with three example apps."


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen on, at 127.0.0.1. Default: a free one.",
)
@click.option("--no-open", is_flag=True, help="Print the link; do not open the browser.")
@click.option(
    "--first",
    type=click.IntRange(1),
    default=1,
    help="Number of the oldest file of the audit log to expect, if older files were archived. "
    "Default: 1.",
)
@setting_flags(FLAGS)
def console(*, port: int, no_open: bool, first: int, **flags: object) -> None:
    """Show the apps in the browser, and approve calls.

    The page shows the apps, what a review finds, the calls of agents that wait for a person, and
    the audit log. Apps are created, changed, rotated and deleted there too.

    What you do there goes through the same policy, questions and audit log as a call of an agent.
    A client secret that you look at there does not pass through a model.

    Only this machine reaches the page. The link counts once, for 5 minutes. The console ends by
    itself after 15 minutes without a request, and at Ctrl-C. One console runs at a time in a data
    folder.

    Give the flags that the server runs with: approvals and secrets are in its data folder. Where
    no project is set up, it shows a sandbox with example apps.
    """
    from .entrance import NO_TERMINAL, NotOpened
    from .serving import Wanted, serve

    settings, example = _settings(flags)
    if no_open and not before_a_person():
        raise NotOpened(NO_TERMINAL)
    log_to_stderr(settings.log_level)
    if example:
        print_stderr(NO_PROJECT)
    run(serve, settings, Wanted(port, not no_open, first, example))


def _settings(flags: dict[str, Any]) -> tuple[Settings, bool]:
    """The settings, and whether they are those of an example, since nothing is set up."""
    settings = loading.read(**flags)
    if settings.sandbox or settings.project_id or settings.secret:
        return loading.load(**flags), False
    return loading.load(**{**flags, "sandbox": True}), True
