"""`connected-apps-mcp sandbox`: serve and seed the sandbox."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from connected_apps_mcp.settings import settings as config
from connected_apps_mcp.settings.names import from_environment

from .common import Commands, log_to_stderr, run

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

    from connected_apps_mcp.sandbox import SandboxCredentials
    from connected_apps_mcp.sandbox.seeds.seed import Seed, Seeded

ENV_FILE_MARK = "# Written by connected-apps-mcp sandbox serve, and removed when it stops."

SEED_SECONDS = 600.0
"""Time for a running sandbox to respond: a million apps take minutes."""

_kind = click.option(
    "--kind",
    type=click.Choice(["consumer", "b2b"]),
    help="Kind of project: consumer (users) or b2b (organizations with members). "
    "Default: consumer.",
)


class _Rate(click.ParamType[tuple[int, float]]):
    """A rate: calls per seconds, such as 10/60."""

    name = "CALLS/SECONDS"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, float]:
        match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", value)
        if match is None:
            self.fail("give it as CALLS/SECONDS, for example 10/60", param, ctx)
        return int(match[1]), float(match[2])


@click.group(cls=Commands)
def sandbox() -> None:
    """Run or fill the sandbox, a stand-in for the service.

    It accepts the credentials in STYTCH_PROJECT_ID and STYTCH_SECRET. If they are not set, it
    accepts fixed ones.
    """


@sandbox.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8010,
    metavar="PORT",
    help="Port to listen on; 0 picks a free one. Default: 8010.",
)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file for the apps. Default: memory.",
)
@_kind
@click.option(
    "--rate-limit",
    type=_Rate(),
    help="Calls that each operation allows per seconds, such as 10/60.",
)
@click.option(
    "--latency",
    type=click.FloatRange(0, 60),
    default=0.0,
    metavar="SECONDS",
    help="Delay of every response, in seconds. Default: 0.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="Scope that apps may ask for at the issuer, besides those of OpenID Connect. Repeat it "
    "for more.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write with the URL and the credentials, as NAME=VALUE lines. It is removed when "
    "the sandbox stops.",
)
def serve(  # noqa: PLR0913, PLR0917 - a parameter for each option
    port: int,
    db: Path | None,
    kind: str | None,
    rate_limit: tuple[int, float] | None,
    latency: float,
    scopes: tuple[str, ...],
    env_file: Path | None,
) -> None:
    """Serve the sandbox on a loopback port.

    Use it for SDKs, for tests, and for servers with --base-url.

    It accepts the credentials in STYTCH_PROJECT_ID and STYTCH_SECRET. If they are not set, it
    accepts and prints fixed ones.

    /healthz reports that it is up, and /openapi.json describes its API. Requests under /sandbox/
    reset it and inject faults: see docs/reference/sandbox.md.
    """
    from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, RateLimit
    from connected_apps_mcp.transports.http.listening import authority_of, bind
    from connected_apps_mcp.wiring import open_sandbox

    accepted = _credentials()
    log_to_stderr("warning")
    limit = RateLimit(*rate_limit) if rate_limit else None
    app = open_sandbox(
        "--db",
        db,
        credentials=accepted,
        kind=kind or "consumer",
        rate_limit=limit,
        latency=latency,
        scopes=" ".join(scopes).split(),
    )
    with bind("127.0.0.1", port) as listener:
        url = f"http://{authority_of(listener)}"
        with _env_file(env_file, url, accepted):
            if accepted is SANDBOX_CREDENTIALS:
                click.echo(f"{config.PROJECT_ID}={accepted.project_id}")
                click.echo(f"{config.SECRET}={accepted.secret}")
            click.echo(f"Sandbox on {url}")
            run(_listen, app, listener)


def _written_by_us(path: Path) -> bool:
    plain = path.is_file() and not path.is_symlink()
    return plain and path.read_text(errors="replace").partition("\n")[0] == ENV_FILE_MARK


@contextmanager
def _env_file(path: Path | None, url: str, accepted: SandboxCredentials) -> Iterator[None]:
    """A file with the URL and the credentials, for its owner only, removed on exit.

    Raises:
        SettingsError: it cannot be written, or would replace a file of another program.
    """
    if path is None:
        yield
        return
    lines = [
        ENV_FILE_MARK,
        f"{config.PROJECT_ID}={accepted.project_id}",
        f"{config.SECRET}={accepted.secret}",
        f"{config.variable('base_url')}={url}",
    ]
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        if os.path.lexists(path) and not _written_by_us(path):
            raise config.SettingsError(f"--env-file: {path} exists, and another program wrote it.")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise config.SettingsError(f"--env-file: {path}: {error.strerror}.") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


async def _listen(app: ASGIApp, listener: socket.socket) -> None:
    from connected_apps_mcp.transports.http.listening import listen
    from connected_apps_mcp.transports.shutdown import ShutdownSignals

    async with ShutdownSignals() as signals:
        await listen(app, listener, signals)


@sandbox.command()
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file to fill.")
@click.option("--url", help="URL of a running sandbox to fill, on a loopback address.")
@_kind
@click.option(
    "--from",
    "file",
    type=click.File("rb"),
    help="JSON file with the seed, or - for standard input.",
)
@click.option(
    "--apps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Add generated apps until there are N, the same ones each time.",
)
def seed(
    db: Path | None,
    url: str | None,
    kind: str | None,
    file: IO[bytes] | None,
    apps: int | None,
) -> None:
    """Fill a sandbox with apps, users or organizations.

    Give --db or --url. Without --from and --apps, it adds a small example. It prints the ids as
    JSON.

    Seeding again is harmless: what exists with the same id, external id or slug stays unchanged.
    Only grants get the given scopes.

    The file has "apps", "users" or "organizations" (with "members"), and "generated_apps". Each
    user or member may have "grants", each with a "client_id" and "scopes". See
    docs/reference/sandbox.md for an example.
    """
    if (db is None) == (url is None):
        raise config.SettingsError("Give --db or --url, to say which sandbox to fill.")
    if url is not None and kind is not None:
        raise config.SettingsError("--kind goes with --db. A running sandbox has a kind already.")
    plan = _plan(file, apps)
    seeded = _seed_file(db, kind, plan) if db is not None else _seed_running(str(url), plan)
    click.echo(seeded.model_dump_json(indent=2))


def _plan(file: IO[bytes] | None, apps: int | None) -> Seed:
    from pydantic import ValidationError

    from connected_apps_mcp.sandbox.errors import from_validation
    from connected_apps_mcp.sandbox.seeds.seed import Seed

    try:
        plan = Seed.model_validate_json(file.read()) if file else Seed(example=apps is None)
    except ValidationError as failure:
        raise config.SettingsError(f"--from: {from_validation(failure).message}.") from None
    return plan if apps is None else plan.model_copy(update={"generated_apps": apps})


def _seed_file(db: Path, kind: str | None, plan: Seed) -> Seeded:
    import sqlite3

    from connected_apps_mcp.sandbox.errors import ApiError
    from connected_apps_mcp.sandbox.handlers.seeding import seed as fill
    from connected_apps_mcp.wiring import open_sandbox

    app = open_sandbox("--db", db, credentials=_credentials(), kind=kind or "consumer")
    try:
        return fill(app, plan)
    except ApiError as refused:
        raise config.SettingsError(f"The seed is invalid: {refused.message}.") from None
    except sqlite3.Error as error:
        raise config.SettingsError(f"--db: the file cannot be written ({error}).") from None


def _seed_running(url: str, plan: Seed) -> Seeded:
    import httpx2
    from pydantic import ValidationError

    from connected_apps_mcp.sandbox.errors import ErrorBody
    from connected_apps_mcp.sandbox.seeds.seed import Seeded
    from connected_apps_tools.api.service import check_base_url, is_local
    from connected_apps_tools.errors import InvalidRequest
    from connected_apps_tools.text.printable import printable

    try:
        base = check_base_url(url)
    except InvalidRequest as error:
        raise config.SettingsError(f"--url: {error}.") from None
    if not is_local(base):
        raise config.SettingsError("--url: a sandbox is always on a loopback address.")
    accepted = _credentials()
    try:
        response = httpx2.post(
            f"{base}/sandbox/seed",
            content=plan.model_dump_json(exclude_unset=True),
            auth=(accepted.project_id, accepted.secret),
            timeout=SEED_SECONDS,
            trust_env=False,
        )
        if response.is_success:
            return Seeded.model_validate_json(response.content)
        refused = ErrorBody.model_validate_json(response.content)
    except httpx2.HTTPError as error:
        raise config.SettingsError(f"--url: no response ({type(error).__name__}).") from None
    except ValidationError:
        raise config.SettingsError("--url: the server there is not a sandbox.") from None
    message = printable(refused.error_message, 1000)
    raise config.SettingsError(f"The sandbox refused the seed: {message}")


def _credentials() -> SandboxCredentials:
    from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, SandboxCredentials

    settings = config.ProjectSettings.of(from_environment(config.ProjectSettings.model_fields), {})
    if not (settings.project_id or settings.secret):
        return SANDBOX_CREDENTIALS
    given = settings.credentials()
    return SandboxCredentials(given.project_id, given.secret.get_secret_value())
