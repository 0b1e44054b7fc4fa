"""`connected-apps-mcp sandbox`: the stand-in for the service, served and filled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from connected_apps_mcp.settings import settings as config

from .common import Commands, log_to_stderr, run

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

    from connected_apps_mcp.sandbox import SandboxCredentials
    from connected_apps_mcp.sandbox.seeds.seed import Seed, Seeded

ENV_FILE_MARK = "# Written by connected-apps-mcp sandbox serve, and removed when it ends."

SEED_SECONDS = 600.0
"""How long a running sandbox may take: a million apps take minutes."""

_kind = click.option(
    "--kind",
    type=click.Choice(["consumer", "b2b"]),
    help="What the project has: users (the default), or organizations with members.",
)


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


@click.group(cls=Commands)
def sandbox() -> None:
    """The embedded stand-in for the service.

    It accepts the credentials in STYTCH_PROJECT_ID and STYTCH_SECRET, or fixed ones if there are
    none.
    """


@sandbox.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8010, show_default=True)
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file to keep.")
@_kind
@click.option("--rate-limit", type=_Rate(), help="Calls that each operation allows in a time.")
@click.option(
    "--latency",
    type=click.FloatRange(0, 60),
    default=0.0,
    metavar="SECONDS",
    help="Seconds that every answer takes.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write with the URL and the credentials, as NAME=VALUE lines. It is removed at "
    "the end.",
)
def serve(  # noqa: PLR0913, PLR0917 - a parameter for each option
    port: int,
    db: Path | None,
    kind: str | None,
    rate_limit: tuple[int, float] | None,
    latency: float,
    env_file: Path | None,
) -> None:
    """Serve the sandbox on a loopback port, for SDKs, tests and servers started with --base-url.

    It accepts the credentials in STYTCH_PROJECT_ID and STYTCH_SECRET, or fixed ones that it prints.
    /healthz says that it is up, /openapi.json describes it, and the calls under /sandbox/ reset it
    and ask for faults: docs/sandbox.md.
    """
    from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, RateLimit
    from connected_apps_mcp.transports import http as web
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
    )
    with web.bind("127.0.0.1", port) as listener:
        url = f"http://{web.authority_of(listener)}"
        with _env_file(env_file, url, accepted):
            if accepted is SANDBOX_CREDENTIALS:
                click.echo(f"{config.PROJECT_ID}={accepted.project_id}")
                click.echo(f"{config.SECRET}={accepted.secret}")
            click.echo(f"Sandbox on {url}")
            run(_listen, app, listener)


def _is_ours(path: Path) -> bool:
    plain = path.is_file() and not path.is_symlink()
    return plain and path.read_text(errors="replace").partition("\n")[0] == ENV_FILE_MARK


@contextmanager
def _env_file(path: Path | None, url: str, accepted: SandboxCredentials) -> Iterator[None]:
    """Keep a file with the URL and the credentials, for its owner alone, until the end.

    Raises:
        SettingsError: it cannot be written, or a file is there that another program wrote.
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
        if os.path.lexists(path) and not _is_ours(path):
            raise config.SettingsError(f"--env-file: {path} is there already, and is not ours.")
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
    from connected_apps_mcp.transports import http as web
    from connected_apps_mcp.transports.shutdown import ShutdownSignals

    async with ShutdownSignals() as endings:
        await web.listen(app, listener, endings)


@sandbox.command()
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file to fill.")
@click.option("--url", help="A running sandbox to fill instead, on a loopback address.")
@_kind
@click.option("--from", "file", type=click.File("rb"), help="JSON file, or - for standard input.")
@click.option(
    "--apps",
    type=click.IntRange(min=1),
    metavar="N",
    help="See to it that there are N generated apps, the same ones each time.",
)
def seed(
    db: Path | None,
    url: str | None,
    kind: str | None,
    file: IO[bytes] | None,
    apps: int | None,
) -> None:
    """Fill a sandbox with apps, users or organizations, and what they authorised.

    Without --from and --apps it adds a small example. What is there already under the same id,
    external id or slug stays as it is, so that seeding again is harmless; grants get the scopes
    given. Prints the ids as JSON.

    A file has "apps", "users" or "organizations" with "members", and "generated_apps"; who has
    "grants" names the "client_id" and the "scopes" of each. docs/sandbox.md shows one.
    """
    if (db is None) == (url is None):
        raise config.SettingsError("Give --db or --url: which sandbox is to be filled.")
    if url is not None and kind is not None:
        raise config.SettingsError("--kind goes with --db: a running sandbox knows its kind.")
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
        raise config.SettingsError(f"The seed does not fit: {refused.message}.") from None
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
        raise config.SettingsError("--url: a sandbox is on a loopback address.")
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
        raise config.SettingsError(f"--url: no answer ({type(error).__name__}).") from None
    except ValidationError:
        raise config.SettingsError("--url: what answers there is no sandbox.") from None
    message = printable(refused.error_message, 1000)
    raise config.SettingsError(f"The sandbox refused the seed: {message}")


def _credentials() -> SandboxCredentials:
    from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, SandboxCredentials

    given = config.ProjectSettings()
    if not (given.project_id or given.secret):
        return SANDBOX_CREDENTIALS
    known = given.credentials()
    return SandboxCredentials(known.project_id, known.secret.get_secret_value())
