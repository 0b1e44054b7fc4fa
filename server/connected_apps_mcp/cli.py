"""The command line. What is heavy is imported inside the command that needs it."""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import settings as config
from .audit_commands import audit
from .commands import log_to_stderr, report_losses, run, setting_flags
from .secrets_commands import secrets

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp


class _Refused(click.ClickException):
    """Something that the operator has to mend before the program can start."""

    exit_code = 2


class _Commands(click.Group):
    """The commands. `serve` may be left out, since hosts run the bare program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in {"--help", "--version"}):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            config.refuse_unknown_variables()
            return super().invoke(ctx)
        except config.SettingsError as error:
            raise _Refused(str(error)) from None


class _Rate(click.ParamType[tuple[int, float]]):
    """A number of calls in a number of seconds, such as 10/60."""

    name = "CALLS/SECONDS"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, float]:
        match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", value)
        if match is None:
            self.fail("give it as CALLS/SECONDS, for example 10/60", param, ctx)
        return int(match[1]), float(match[2])


@click.group(cls=_Commands)
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
    settings = config.load(**flags)
    log_to_stderr(settings.log_level)
    gc.disable()  # imports leave no garbage, and looking for it costs a tenth of the start-up
    run(_serve, settings)


async def _serve(settings: config.Settings) -> None:
    from dataclasses import replace
    from importlib.metadata import version

    from connected_apps_tools import TOOLSETS
    from connected_apps_tools.choosing import choose
    from connected_apps_tools.project import About

    from .app import build_server
    from .opening import open_project
    from .signals import Endings

    async with Endings() as endings, open_project(settings) as project:
        losses = await report_losses(project)
        offer = choose(TOOLSETS, settings.choice)
        about = About(
            version=version("connected-apps-mcp"),
            environment=settings.environment,
            tools_off=offer.off,
            losses=losses,
        )
        server = build_server(replace(project, about=about), offer)
        gc.freeze()
        gc.enable()
        if "stdio" in settings.transport:
            from .stdio import serve_stdio

            await serve_stdio(server, patience=settings.patience, endings=endings)
        else:
            from . import web

            with web.bind(settings.host, settings.port) as listener:
                authority = web.authority_of(listener)
                for transport in settings.transport:
                    click.echo(f"Serving http://{authority}{web.PATHS[transport]}", err=True)
                calls = web.CallsInFlight()
                server.middleware.append(calls)
                app = web.build_app(server, settings.transport, authority)
                await web.listen(app, listener, calls=calls, patience=settings.patience)


@main.command()
def demo() -> None:
    """Show the main job: an MCP client manages an app of the embedded sandbox over stdio."""
    from .demo import run_demo

    try:
        raise SystemExit(run(run_demo))
    except* BrokenPipeError:
        raise SystemExit(1) from None


main.add_command(secrets)
main.add_command(audit)


@main.group()
def sandbox() -> None:
    """The embedded stand-in for the service."""


@sandbox.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), default=8010, show_default=True)
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file to keep.")
@click.option("--rate-limit", type=_Rate(), help="Calls that each operation allows in a time.")
def sandbox_serve(port: int, db: Path | None, rate_limit: tuple[int, float] | None) -> None:
    """Serve the sandbox on a loopback port, for SDKs and for servers started with --base-url.

    It accepts the credentials in STYTCH_PROJECT_ID and STYTCH_SECRET, or fixed ones that it prints.
    """
    from . import web
    from .opening import open_sandbox
    from .sandbox import SANDBOX_CREDENTIALS, Credentials, RateLimit

    given = config.ProjectSettings()
    if given.project_id or given.secret:
        known = given.credentials()
        accepted = Credentials(known.project_id, known.secret.get_secret_value())
    else:
        accepted = SANDBOX_CREDENTIALS
        click.echo(f"{config.PROJECT_ID}={accepted.project_id}")
        click.echo(f"{config.SECRET}={accepted.secret}")
    log_to_stderr("warning")
    limit = RateLimit(*rate_limit) if rate_limit else None
    app = open_sandbox("--db", db, credentials=accepted, rate_limit=limit)
    with web.bind("127.0.0.1", port) as listener:
        click.echo(f"Sandbox on http://{web.authority_of(listener)}")
        run(_listen, app, listener)


async def _listen(app: ASGIApp, listener: socket.socket) -> None:
    from . import web
    from .signals import Endings

    async with Endings():
        await web.listen(app, listener)
