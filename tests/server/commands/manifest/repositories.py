"""A repository with a manifest, and what our commands do in it, as processes on a sandbox."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
from click.testing import CliRunner
from starlette.applications import Starlette
from support import SANDBOX, SERVER, project_on, serving

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.commands.manifest.plan import CHANGES
from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_tools import ToolContext
from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.catalogue.manifest.planning import all_apps
from connected_apps_tools.manifest.documents.bindings import read_bindings

T = TypeVar("T")

KILLED = [sys.executable, "-P", str(Path(__file__).with_name("killed.py"))]
"""The command line of a command of ours that is killed; the number of a write follows."""

SECONDS = 300.0
"""Longest time that one command may take."""

STORE = {"CONNECTED_APPS_MCP_SECRET_STORE": "file"}

CREDENTIALS = {
    "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
    "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
}

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Repository:
    """A folder with a manifest, and beside it the sandbox and the data of our commands.

    Attributes:
        root: the folder of all that.
        service: the URL of the sandbox, where it is served. Our commands run in this process then,
            which is faster. Else each is a process of its own, and opens the file of the sandbox.
    """

    root: Path
    service: str | None = None

    @classmethod
    def make(cls, root: Path) -> "Repository":
        """A new one, in a folder."""
        made = cls(root)
        for folder in (made.manifest.parent, made.database.parent):
            folder.mkdir(parents=True)
        return made

    @property
    def manifest(self) -> Path:
        """The manifest."""
        return self.root / "repository" / "apps.toml"

    @property
    def lock(self) -> Path:
        """The bindings."""
        return self.manifest.with_name("apps.lock.toml")

    @property
    def database(self) -> Path:
        """The sandbox."""
        return self.root / "sandbox" / "apps.sqlite3"

    @property
    def data(self) -> Path:
        """What our commands keep."""
        return self.root / "data"

    @property
    def bound(self) -> Mapping[str, str]:
        """The client id of each key."""
        return read_bindings(self.lock.read_bytes()).of(SANDBOX.project_id)

    def command(self, *arguments: str, program: Sequence[str] = SERVER) -> list[str]:
        """The command line of one of our commands on the sandbox."""
        sandbox = ["--sandbox", "--sandbox-db", str(self.database)]
        where = ["--base-url", self.service] if self.service else sandbox
        return [*program, *arguments, *where, "--data-dir", str(self.data)]

    def run(self, *arguments: str, program: Sequence[str] = SERVER) -> Done:
        """Run one of our commands."""
        if self.service:
            return self._called(*arguments)
        with self.running(*arguments, program=program) as process:
            out, err = process.communicate(timeout=SECONDS)
        return Done(process.args, process.returncode, out, err)

    def _called(self, *arguments: str) -> Done:
        command = self.command(*arguments, program=[])
        with chdir(self.manifest.parent):
            done = CliRunner().invoke(main, command, env=CREDENTIALS | STORE)
        return Done(command, done.exit_code, done.stdout, done.stderr)

    def applied(self) -> Done:
        """Save a plan, and apply it."""
        planned = self.run("plan", "--out", "plan.json")
        assert planned.returncode in {0, CHANGES}, planned.stderr
        return self.run("apply", "plan.json")

    def running(self, *arguments: str, program: Sequence[str] = SERVER) -> subprocess.Popen[str]:
        """Start one of our commands."""
        return subprocess.Popen(
            self.command(*arguments, program=program),
            cwd=self.manifest.parent,
            env=os.environ | STORE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def copied(self, root: Path) -> "Repository":
        """A copy of all of it in another folder."""
        shutil.copytree(self.root, root)
        return Repository(root)

    def open(self) -> Starlette:
        """The sandbox, which commands may use meanwhile."""
        return create_sandbox(database=str(self.database))

    @contextmanager
    def served(self) -> Iterator["Repository"]:
        """The same with the sandbox behind a port, where it can be given faults."""
        with serving(self.open()) as url:
            yield replace(self, service=url)

    def fail(self, *faults: dict[str, Any]) -> None:
        """Give the served sandbox these faults instead of those that it has."""
        auth = SANDBOX_CREDENTIALS.project_id, SANDBOX_CREDENTIALS.secret
        asked = httpx2.put(f"{self.service}/sandbox/faults", json={"faults": faults}, auth=auth)
        asked.raise_for_status()

    @asynccontextmanager
    async def project(self) -> AsyncIterator[ToolContext]:
        """The project, as it is between commands."""
        async with project_on(httpx2.ASGITransport(self.open()), folder=self.data) as project:
            yield project

    def asked(self, act: Callable[[ToolContext], Awaitable[T]]) -> T:
        """What somebody else does in the project, or sees there, between commands."""

        async def ask() -> T:
            async with self.project() as project:
                return await act(project)

        return anyio.run(ask)

    def apps(self) -> list[ConnectedApp]:
        """All apps of the project."""
        return self.asked(all_apps)
