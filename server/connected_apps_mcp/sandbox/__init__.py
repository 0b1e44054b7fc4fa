"""A stand-in for the Stytch Connected Apps HTTP API, for demonstrations and tests.

It is independent work from public material, not the vendor's code. `docs/reference/sandbox.md`
lists every choice that was made where the material is silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from connected_apps_mcp.sandbox.service.rate_limit import RateLimit

from .credentials import SANDBOX_CREDENTIALS, ProjectKind, SandboxCredentials

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from starlette.applications import Starlette

__all__ = [
    "SANDBOX_CREDENTIALS",
    "ProjectKind",
    "RateLimit",
    "SandboxCredentials",
    "create_sandbox",
]


def create_sandbox(  # noqa: PLR0913 - each is a separate setting
    credentials: SandboxCredentials = SANDBOX_CREDENTIALS,
    *,
    kind: ProjectKind = "consumer",
    database: str | Path = ":memory:",
    rate_limit: RateLimit | None = None,
    max_apps: int | None = None,
    latency: float = 0.0,
    scopes: Collection[str] = (),
) -> Starlette:
    """Build the sandbox of one project, ready to serve: it needs no ASGI lifespan.

    `sandbox.handlers.seeding.seed` fills it.

    Args:
        credentials: the only ones it accepts; a `project-live-` id makes it a live environment.
        kind: "consumer" (users authorise apps) or "b2b" (members of organizations do).
        database: memory, or a SQLite file that other sandboxes and processes may share.
        rate_limit: off by default.
        max_apps: most apps in the project; no bound by default.
        latency: delay of every response of the API in seconds, at most 60.
        scopes: what apps may ask for at the issuer, besides the scopes of OpenID Connect.

    Raises:
        sqlite3.Error: the file cannot be opened or is not a database.
        ValueError: `kind` is unknown.
    """
    if kind not in get_args(ProjectKind):
        raise ValueError("kind must be 'consumer' or 'b2b'")
    # The command line imports this package without serving, so load starlette and pydantic late.
    from connected_apps_mcp.sandbox.service.app import build_app
    from connected_apps_mcp.sandbox.state.database import Database
    from connected_apps_mcp.sandbox.state.faults import Faults
    from connected_apps_mcp.sandbox.state.project import SandboxProject
    from connected_apps_mcp.sandbox.state.store import AppStore

    opened = Database(database)
    apps = AppStore(opened, credentials.project_id, max_apps=max_apps)
    project = SandboxProject(credentials, kind, opened, apps, Faults(latency))
    return build_app(project, rate_limit, scopes)
