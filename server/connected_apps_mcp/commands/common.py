"""Helpers that several commands share."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import click

from connected_apps_mcp.settings import settings as config

if TYPE_CHECKING:
    from connected_apps_tools import ToolContext

RECOVERY_SECONDS = 10.0
"""Time at start for recovering calls that an earlier process left unfinished."""

HAS_UVLOOP = sys.platform != "win32" and find_spec("uvloop") is not None
"""Whether there is uvloop, the faster event loop. On Windows, anyio would want another one."""

OUR_PACKAGES = ("connected_apps_mcp", "connected_apps_tools")

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def setting_flags(names: Iterable[str] = tuple(config.FLAGS)) -> Callable[[F], F]:
    """Add a flag for each of these settings to a command."""

    def add(command: F) -> F:
        for name in reversed(tuple(names)):
            field, flag = config.FLAGS[name], config.flag(name)
            boolean = field.annotation is bool
            command = click.option(
                f"{flag}/--no-{flag[2:]}" if boolean else flag,
                default=None,
                metavar=None if boolean else "VALUE",
                help=f"{field.description} ${config.variable(name)}",
            )(command)
        return command

    return add


class Commands(click.Group):
    """A group of commands, in which `help COMMAND` means `COMMAND --help`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments of the group itself."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run a coroutine function. A single error comes out of its exception group."""
    import anyio

    _open_missing_streams()
    try:
        return anyio.run(function, *arguments, backend_options={"use_uvloop": HAS_UVLOOP})
    except BaseExceptionGroup as group:
        raise _single_error(group) from None


def _single_error(error: BaseException) -> BaseException:
    """The only error in nested groups; the group itself if it holds several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error


def _open_missing_streams() -> None:
    """Open missing standard streams on the null device.

    Otherwise the next opened file would become one of them.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def at_terminal() -> bool:
    """Whether a person can answer: standard input is a terminal. There may be none."""
    return bool(sys.stdin) and sys.stdin.isatty()


def before_a_person() -> bool:
    """Whether a person can read and answer: standard input and output are a terminal."""
    return at_terminal() and sys.stdout.isatty()


def print_stderr(line: str) -> None:
    """Print a line to standard error, ignoring failures."""
    try:
        click.echo(line, err=True)
    except OSError:
        from .stderr_log import STDERR

        with suppress(OSError):  # the line stays in the buffer, and would fail again at exit
            sys.stderr = os.fdopen(STDERR, "w", 1, errors="backslashreplace", closefd=False)


def log_to_stderr(level: str) -> None:
    """Log to standard error, redacted: our packages from `level`, libraries from warning.

    Below warning, some libraries log whole messages.
    """
    from connected_apps_mcp.egress import redact_logs

    from .stderr_log import StderrLog

    redact_logs()
    handler = StderrLog()
    handler.addFilter(shorten_foreign)
    logging.basicConfig(
        level="WARNING",
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
        force=True,
    )
    logging.getLogger("stamina").setLevel("ERROR")  # its warnings report only retries
    for ours in OUR_PACKAGES:
        logging.getLogger(ours).setLevel(level.upper())


def shorten_foreign(record: logging.LogRecord) -> bool:
    """Cut a library's record to its first line: its traceback may quote a client's message."""
    if not record.name.startswith(OUR_PACKAGES):
        record.msg, record.args = record.getMessage().partition("\n")[0], None
        if record.exc_info and record.exc_info[0]:
            record.msg += f" ({record.exc_info[0].__name__})"
        record.exc_info = record.exc_text = None
    return True


async def report_losses(
    project: ToolContext, client_id: str | None = None, *, printed: set[str] | None = None
) -> list[str]:
    """Report apps that may have lost a secret, all of them or the one with `client_id`.

    Prints the reports to standard error, but for those that were `printed` before, and adds to
    these. Returns all reports for models, without names of apps.
    """
    from connected_apps_tools.secrets.recovery import LossReport, recover
    from connected_apps_tools.storage.errors import StoreError
    from connected_apps_tools.text.printable import printable
    from connected_apps_tools.text.redaction import REDACTOR

    def shorten(text: str) -> str:
        return printable(REDACTOR.redact(text), 1000)

    try:
        reports = await recover(project.secrets, client_id=client_id, within=RECOVERY_SECONDS)
    except StoreError as error:
        problem = f"The journal cannot be read: {error}"
        reports = [LossReport(problem, problem)]
    before = set() if printed is None else printed
    for text in [shorten(report.for_people) for report in reports]:
        if text not in before:
            print_stderr(f"Warning: {text}")
            before.add(text)
    return [shorten(report.for_models) for report in reports if report.for_models]
