"""The command line. What is heavy is imported inside the command that needs it."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from connected_apps_mcp.settings import settings as config

from .approve import approve
from .audit import audit
from .common import Commands, log_to_stderr, report_losses, run, setting_flags, tell
from .policy import policy
from .sandbox import sandbox
from .secrets import secrets

AT_TERMINAL = (
    "This is an MCP server: a program such as Claude or an IDE talks to it on standard input. "
    "To see it at work, type connected-apps-mcp demo; for its commands, connected-apps-mcp --help. "
    "Ctrl-C ends it."
)


class _Refused(click.ClickException):
    """Something that the operator has to mend before the program can start."""

    exit_code = 2


class _Commands(Commands):
    """The commands. `serve` may be left out, since hosts run the bare program."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's
        """Run a command. What cannot be written ends it with a message."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            # Every other file is opened by name. click has dealt with a reader that is gone.
            where = error.filename or "Standard output"
            tell(f"Error: {where}: {error.strerror}.")
            _discard_output()
            raise SystemExit(1) from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in {"-h", "--help", "--version"}):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            config.refuse_unknown_variables()
            return super().invoke(ctx)
        except config.SettingsError as error:
            raise _Refused(str(error)) from None


def _discard_output() -> None:
    """Let what standard output still holds not fail once more when the process ends."""
    with suppress(OSError), Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="help COMMAND, or COMMAND -h, says more about a command.",
)
@click.version_option(package_name="connected-apps-mcp")
def main() -> None:
    """Manage the OAuth clients (Connected Apps) of a Stytch project from AI agents, over MCP.

    Without a command it serves standard input and output, as MCP hosts expect, and takes the flags
    of `serve`.

    The credentials come from STYTCH_PROJECT_ID and STYTCH_SECRET; with --sandbox none are needed.
    """


@main.command()
@setting_flags()
def serve(**flags: object) -> None:
    """Serve MCP clients. This is the default."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `ShutdownSignals` reacts to it
    gc.disable()  # imports leave no garbage, and looking for it costs a tenth of the start-up
    settings = config.load(**flags)
    log_to_stderr(settings.log_level)
    run(_serve, settings)


async def _serve(settings: config.Settings) -> None:
    from dataclasses import replace
    from importlib.metadata import version

    from connected_apps_mcp.confirmation.state_keys import open_security
    from connected_apps_mcp.protocol.server import build_server
    from connected_apps_mcp.transports.shutdown import ShutdownSignals
    from connected_apps_mcp.wiring import open_audit, open_project, secrets_command
    from connected_apps_tools import TOOLSETS
    from connected_apps_tools.context import ServerInfo
    from connected_apps_tools.selection import select_tools

    async with (
        ShutdownSignals() as endings,
        open_audit(settings) as audit,
        open_project(settings) as project,
    ):
        losses = await report_losses(project)
        offer = select_tools(TOOLSETS, settings.selection)
        about = ServerInfo(
            version=version("connected-apps-mcp"),
            environment=settings.environment,
            losses=losses,
            secrets_command=secrets_command(settings),
        )
        server = build_server(
            replace(project, server=about, review_limits=settings.review_limits),
            offer,
            confirm=settings.effective("confirm"),
            audit=audit,
            security=open_security(settings.state_key_file, project.folder),
        )
        gc.freeze()
        gc.enable()
        if "stdio" in settings.transport:
            from connected_apps_mcp.transports.stdio import serve_stdio

            if sys.stdin and sys.stdin.isatty():
                tell(AT_TERMINAL)
            await serve_stdio(server, patience=settings.shutdown_seconds, endings=endings)
        else:
            from connected_apps_mcp.transports import http as web

            with web.bind(settings.host, settings.port) as listener:
                authority = web.authority_of(listener)
                for transport in settings.transport:
                    tell(f"Serving http://{authority}{web.PATHS[transport]}")
                calls = web.CallsInFlight()
                server.middleware.append(calls)
                app = web.build_app(server, settings.transport, authority)
                await web.listen(
                    app, listener, endings, calls=calls, patience=settings.shutdown_seconds
                )


@main.command()
def demo() -> None:
    """Show the main job: an MCP client manages an app of the embedded sandbox over stdio."""
    from .demo import FAILURES, run_demo

    try:
        run(run_demo)
    except FAILURES as failure:
        click.echo(f"  --  {failure}")
        raise SystemExit(1) from None


main.add_command(approve)
main.add_command(policy)
main.add_command(secrets)
main.add_command(audit)
main.add_command(sandbox)
