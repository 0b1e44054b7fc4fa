"""The command line. Heavy modules are imported inside the command that needs them."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connected_apps_mcp.client_configs.entries import PROGRAM
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config

from .approve import approve
from .audit import audit
from .common import Commands, at_terminal, log_to_stderr, print_stderr, run, setting_flags
from .console.command import console
from .database import database
from .doctor import doctor
from .install import install, uninstall
from .login import login, logout, profiles, whoami
from .manifest.apply import apply
from .manifest.export import export, import_app
from .manifest.plan import plan
from .policy import policy
from .sandbox import sandbox
from .secrets import secrets

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMPLETION_VARIABLE = "_CONNECTED_APPS_MCP_COMPLETE"
"""Click reads it in each call by the completion script."""

PROPAGATORS = "OTEL_PROPAGATORS"
"""The SDK could not be imported if this named a propagator that is missing. None of ours is used:
the server reads `traceparent` itself."""

SHELLS = ("bash", "zsh", "fish")

AT_TERMINAL = """\
connected-apps-mcp is an MCP server: it lets Claude, IDEs and other MCP clients manage the OAuth
clients of a Stytch project. A client starts it and speaks MCP on standard input. To go on:

  connected-apps-mcp demo      see it work, on a built-in sandbox
  connected-apps-mcp login     store the credentials of a project
  connected-apps-mcp install   add it to your MCP clients

For help: connected-apps-mcp --help. To stop: Ctrl-C."""


class _Refused(click.ClickException):
    """The operator must fix a setting before the program can start."""

    exit_code = 2


class _Commands(Commands):
    """The commands. `serve` is the default, because clients start the program without one."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's
        """Run a command. Report output that cannot be written, without a traceback."""
        if sys.platform == "win32":
            _write_utf8()
        try:
            return super().main(*args, **{"complete_var": COMPLETION_VARIABLE, **kwargs})
        except OSError as error:
            # Other files are opened by name, and click handles a closed pipe.
            where = error.filename or "Standard output"
            print_stderr(f"Error: {where}: {error.strerror}.")
            _discard_output()
            raise SystemExit(1) from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            # A shell that completes an empty line wants the names of the commands.
            args = [] if ctx.resilient_parsing else ["serve"]
        elif args[0].startswith("-") and args[0] not in {"-h", "--help", "--version"}:
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command or, since it may be left out, a flag of `serve`."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            found += self.commands["serve"].shell_complete(ctx, incomplete)
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except config.SettingsError as error:
            raise _Refused(str(error)) from None


def _write_utf8() -> None:
    """Write UTF-8 into files and pipes too: the code page of Windows lacks most characters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # there may be none
            stream.reconfigure(encoding="utf-8")


def _discard_output() -> None:
    """Discard buffered output, so that flushing it at exit does not fail again."""
    with suppress(OSError), Path(os.devnull).open("wb") as sink:
        os.dup2(sink.fileno(), sys.stdout.fileno())


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="For more about a command: connected-apps-mcp COMMAND --help.",
)
@click.version_option(package_name="connected-apps-mcp")
@click.pass_context
def main(ctx: click.Context) -> None:
    """An MCP server for the OAuth clients (Connected Apps) of a Stytch project.

    Without a command, it runs `serve` with the given flags, on standard input and output by
    default. MCP clients start it this way.

    The credentials of the project are those of a profile, which `login` stores, or the environment
    variables STYTCH_PROJECT_ID and STYTCH_SECRET. With --sandbox none are needed.
    """
    os.environ.pop(PROPAGATORS, None)
    if ctx.invoked_subcommand != doctor.name:  # which reports them itself
        loading.refuse_unknown_variables()


@main.command()
@setting_flags()
def serve(**flags: object) -> None:
    """Serve MCP clients (the default command).

    Each flag has an environment variable, shown as $NAME. A flag wins over its variable.

    First signal (Ctrl-C, SIGTERM): finish calls in flight. Second: stop, but finish storing a
    client secret. Third: exit at once.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `ShutdownSignals` reacts to it
    gc.disable()  # imports leave no garbage, and collecting costs a tenth of the start-up
    try:
        settings = loading.load(**flags)
    except config.SettingsError:
        if not any(flags.values()):
            _greet()
        raise
    if "stdio" in settings.transport:
        _greet()
    log_to_stderr(settings.log_level)
    from .serve.clients import serve_clients

    run(serve_clients, settings)


def _greet() -> None:
    """Say to a person at a terminal what this is, and what to do next."""
    if at_terminal():
        print_stderr(AT_TERMINAL)


@main.command()
@click.option("--http", is_flag=True, help="Show a login over HTTP, and what its scopes permit.")
def demo(*, http: bool) -> None:
    """Show an MCP client managing an app in the sandbox.

    It starts a server over stdio and creates, finds, changes, reads and deletes an app. With
    --http, the client logs in, is refused what its token does not permit, and asks for more. The
    demo plays the person who consents.
    """
    from .demos.over_http import run_http_demo
    from .demos.steps import FAILURES, run_demo

    try:
        run(run_http_demo if http else run_demo)
    except FAILURES as failure:
        click.echo(f"  --  {failure}")
        raise SystemExit(1) from None


@main.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    For bash, add to ~/.bashrc:  eval "$(connected-apps-mcp completion bash)". For zsh, the same
    with zsh in ~/.zshrc. For fish:  connected-apps-mcp completion fish | source
    """
    from click.shell_completion import get_completion_class

    if script := get_completion_class(shell):
        click.echo(script(main, {}, PROGRAM, COMPLETION_VARIABLE).source())


for command in (login, logout, whoami, profiles, install, uninstall, doctor):
    main.add_command(command)
main.add_command(approve)
main.add_command(console)
main.add_command(policy)
main.add_command(secrets)
main.add_command(audit)
main.add_command(database)
main.add_command(sandbox)
for command in (export, import_app, plan, apply):
    main.add_command(command)
