"""What several commands have in common."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from connected_apps_mcp.settings import settings as config

if TYPE_CHECKING:
    from connected_apps_tools import ToolContext

RECOVERY_SECONDS = 10.0
"""How long a start may take to look after what an earlier process left behind."""

OURS = ("connected_apps_mcp", "connected_apps_tools")

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def setting_flags(names: Iterable[str] = tuple(config.FLAGS)) -> Callable[[F], F]:
    """Give a command a flag for each of these settings."""

    def add(command: F) -> F:
        for name in reversed(tuple(names)):
            field, flag = config.FLAGS[name], config.flag(name)
            boolean = field.annotation is bool
            command = click.option(
                f"{flag}/--no-{flag[2:]}" if boolean else flag,
                default=None,
                metavar=None if boolean else "VALUE",
                help=f"{field.description} [{config.variable(name)}]",
            )(command)
        return command

    return add


class Commands(click.Group):
    """A group of commands. `help COMMAND` is `COMMAND --help`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments of the group itself."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run a coroutine function to its end. Raises what it raises, out of the groups of tasks."""
    import anyio

    _open_missing_streams()
    try:
        return anyio.run(function, *arguments)
    except BaseExceptionGroup as group:
        raise _alone_in(group) from None


def _alone_in(error: BaseException) -> BaseException:
    """The error that groups hold, where it is the only one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error


def _open_missing_streams() -> None:
    """Give a process that was started without standard streams empty ones.

    Else the next file that is opened would be taken for one of them.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def tell(line: str) -> None:
    """Say something on standard error. That nobody can hear it is no reason to fail."""
    with suppress(OSError):
        click.echo(line, err=True)


def log_to_stderr(level: str) -> None:
    """Log what is ours from `level` on, and no secret.

    Libraries stay at warnings: below that, some log whole messages.
    """
    from connected_apps_mcp.egress import guard_logs

    from .stderr_log import StderrLog

    guard_logs()
    handler = StderrLog()
    handler.addFilter(_shorten)
    logging.basicConfig(
        level="WARNING",
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
        force=True,
    )
    logging.getLogger("stamina").setLevel("ERROR")  # its warnings say only that it retries
    for ours in OURS:
        logging.getLogger(ours).setLevel(level.upper())


def _shorten(record: logging.LogRecord) -> bool:
    """Keep of a library's record the first line: its traceback may quote a client's message."""
    if not record.name.startswith(OURS):
        record.msg, record.args = record.getMessage().partition("\n")[0], None
        if record.exc_info and record.exc_info[0]:
            record.msg += f" ({record.exc_info[0].__name__})"
        record.exc_info = record.exc_text = None
    return True


async def report_losses(project: ToolContext, client_id: str | None = None) -> list[str]:
    """Say on standard error which apps may have lost a secret; the same for models, without names.

    With a client id it is about that app only.
    """
    from connected_apps_tools.secrets.recovery import LossReport, recover
    from connected_apps_tools.storage.errors import StoreError
    from connected_apps_tools.text.printable import printable
    from connected_apps_tools.text.redaction import REDACTOR

    def fit(text: str) -> str:
        return printable(REDACTOR.redact(text), 1000)

    try:
        reports = await recover(project.secrets, client_id=client_id, within=RECOVERY_SECONDS)
    except StoreError as error:
        problem = f"The journal cannot be read: {error}"
        reports = [LossReport(problem, problem)]
    for report in reports:
        tell(f"Warning: {fit(report.for_people)}")
    return [fit(report.for_models) for report in reports if report.for_models]
