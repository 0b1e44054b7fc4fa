"""A stand-in for the Stytch Connected Apps HTTP API, for demonstrations and tests.

It is an independent project's reading of public material, not the vendor's code. Where that
material is silent, a choice was made; `docs/sandbox.md` lists every one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from connected_apps_mcp.sandbox.service.rate_limit import RateLimit

from .credentials import SANDBOX_CREDENTIALS, ProjectKind, SandboxCredentials

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette

__all__ = [
    "SANDBOX_CREDENTIALS",
    "ProjectKind",
    "RateLimit",
    "SandboxCredentials",
    "create_sandbox",
]


def create_sandbox(  # noqa: PLR0913 - each is a setting of its own
    credentials: SandboxCredentials = SANDBOX_CREDENTIALS,
    *,
    kind: ProjectKind = "consumer",
    database: str | Path = ":memory:",
    rate_limit: RateLimit | None = None,
    max_apps: int | None = None,
    latency: float = 0.0,
) -> Starlette:
    """Build the sandbox of one project, ready to serve: it needs no ASGI lifespan.

    `credentials` are the only ones it accepts; a `project-live-` id makes it a live environment.
    `kind` is "consumer", whose users authorise apps, or "b2b", whose organizations' members do.
    `database` is a SQLite file, which other sandboxes and processes may share, or memory.
    `rate_limit` and `max_apps` are off unless given. `latency` is how many seconds every answer of
    the API takes, at most 60. `sandbox.handlers.seeding.seed` fills it.

    Raises:
        sqlite3.Error: the file cannot be opened or is not a database.
        ValueError: there is no such kind.
    """
    if kind not in get_args(ProjectKind):
        raise ValueError("kind must be 'consumer' or 'b2b'")
    # A command line imports this package without serving from it; starlette and pydantic can wait.
    from connected_apps_mcp.sandbox.service.app import build_app
    from connected_apps_mcp.sandbox.state.database import Database
    from connected_apps_mcp.sandbox.state.faults import Faults
    from connected_apps_mcp.sandbox.state.project import SandboxProject
    from connected_apps_mcp.sandbox.state.store import AppStore

    opened = Database(database)
    apps = AppStore(opened, credentials.project_id, max_apps=max_apps)
    return build_app(SandboxProject(credentials, kind, opened, apps, Faults(latency)), rate_limit)
