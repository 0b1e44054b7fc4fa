"""The command line. What is heavy is imported inside the command that needs it."""

import gc
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from . import settings as config

F = TypeVar("F", bound=Callable[..., Any])


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


def _setting_flags(command: F) -> F:
    """Give a command one flag for every setting that may stand on a command line."""
    for name, field in reversed(config.FLAGS.items()):
        flag = config.flag(name)
        command = click.option(
            f"{flag}/--no-{flag[2:]}" if field.annotation is bool else flag,
            default=None,
            metavar=None if field.annotation is bool else "VALUE",
            help=f"{field.description} [{config.variable(name)}]",
        )(command)
    return command


@click.group(cls=_Commands)
@click.version_option(package_name="connected-apps-mcp")
def main() -> None:
    """Manage the OAuth clients (Connected Apps) of a Stytch project from AI agents, over MCP.

    Without a command it serves standard input and output, as MCP hosts expect, and takes the flags
    of `serve`.

    The credentials come from STYTCH_PROJECT_ID and STYTCH_SECRET; with --sandbox none are needed.
    """


@main.command()
@_setting_flags
def serve(**flags: object) -> None:
    """Serve MCP clients. This is the default."""
    settings = config.load(**flags)
    _log_to_stderr(settings.log_level)
    gc.disable()  # imports leave no garbage, and looking for it costs a tenth of the start-up
    _run(_serve, settings)


async def _serve(settings: config.Settings) -> None:
    from .app import build_server, open_client

    async with open_client(settings) as api:
        server = build_server(api)
        gc.freeze()
        gc.enable()
        if "stdio" in settings.transport:
            from .stdio import serve_stdio

            await serve_stdio(server, patience=settings.deadline)
        else:
            from . import web

            with web.bind(settings.host, settings.port) as listener:
                authority = web.authority_of(listener)
                for transport in settings.transport:
                    click.echo(f"Serving http://{authority}{web.PATHS[transport]}", err=True)
                calls = web.CallsInFlight()
                server.middleware.append(calls)
                app = web.build_app(server, settings.transport, authority)
                await web.listen(app, listener, calls=calls, patience=settings.deadline)


@main.command()
def demo() -> None:
    """Show the main job: an MCP client manages an app of the embedded sandbox over stdio."""
    from .demo import run_demo

    raise SystemExit(_run(run_demo))


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
    from .sandbox import SANDBOX_CREDENTIALS, Credentials, RateLimit, create_sandbox

    given = config.ProjectSettings()
    if given.project_id or given.secret:
        known = given.credentials()
        accepted = Credentials(known.project_id, known.secret.get_secret_value())
    else:
        accepted = SANDBOX_CREDENTIALS
        click.echo(f"{config.PROJECT_ID}={accepted.project_id}")
        click.echo(f"{config.SECRET}={accepted.secret}")
    _log_to_stderr("warning")
    limit = RateLimit(*rate_limit) if rate_limit else None
    app = create_sandbox(accepted, database=db or ":memory:", rate_limit=limit)
    with web.bind("127.0.0.1", port) as listener:
        click.echo(f"Sandbox on http://{web.authority_of(listener)}")
        _run(web.listen, app, listener)


def _run(function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - its result
    import anyio

    return anyio.run(function, *arguments)


def _log_to_stderr(level: str) -> None:
    """Log what is ours from `level` on.

    Libraries stay at warnings: below that, some log whole messages, and with them secrets.
    """
    logging.basicConfig(
        level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for ours in ("connected_apps_mcp", "connected_apps_tools"):
        logging.getLogger(ours).setLevel(level.upper())
