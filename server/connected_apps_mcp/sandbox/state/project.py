"""The project of a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from connected_apps_mcp.sandbox.credentials import Environment, ProjectKind, SandboxCredentials

from .database import Database
from .directory import Directory
from .faults import Faults
from .store import AppStore
from .tokens import Tokens


@dataclass(frozen=True)
class SandboxProject:
    """The credentials, kind and content of a project."""

    credentials: SandboxCredentials
    kind: ProjectKind
    database: Database
    apps: AppStore
    faults: Faults = field(default_factory=Faults)

    @property
    def environment(self) -> Environment:
        """The environment of the project."""
        return self.credentials.environment

    @contextmanager
    def directory(self) -> Iterator[Directory]:
        """Open the users, members and grants, in one transaction."""
        with self.database.transaction() as connection:
            yield Directory(connection, self.credentials.project_id)

    @contextmanager
    def tokens(self) -> Iterator[Tokens]:
        """Open the codes and tokens, in one transaction."""
        with self.database.transaction() as connection:
            yield Tokens(connection, self.credentials.project_id)
