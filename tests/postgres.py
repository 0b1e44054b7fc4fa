"""A real PostgreSQL server of the tests, and a real pooler in front of one."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import psycopg
from ports import free_port
from support import cannot_run

from connected_apps_tools.storage.postgres.schema import migrate
from connected_apps_tools.storage.postgres.state import DatabaseState

USER = "postgres"
PASSWORD = "a/pass@word of the tests"
ENCODED_PASSWORD = "a%2Fpass%40word%20of%20the%20tests"

OTHER_USER = "nobody"
"""Who runs the server where the tests run as root, whom it refuses."""

FAST = ("fsync=off", "full_page_writes=off")
"""Options for tests that are not about a crash of the machine."""


def program(name: str) -> str:
    """A program of the newest PostgreSQL on this machine."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))
    return found or cannot_run(f"PostgreSQL is missing ({name})")


class PostgresServer:
    """A server on this machine. The tests stop and start it."""

    def __init__(self, folder: Path, *, options: Sequence[str] = FAST) -> None:
        self.data, self.port = folder / "data", free_port()
        self._options = [*options, "max_connections=200", "max_wal_size=64MB"]
        self._hand_over(folder)

    @classmethod
    def made(cls, folder: Path) -> "PostgresServer":
        """A new server, which runs."""
        server, secret = cls(folder), folder / "password"
        secret.write_text(PASSWORD)
        server._hand_over(secret)
        server.run(
            "initdb",
            *("--no-sync", "--encoding=UTF8", "--locale=C", f"--username={USER}"),
            *("--auth=scram-sha-256", f"--pwfile={secret}", f"--pgdata={server.data}"),
        )
        server.start()
        return server

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        options = [f"-c {each}" for each in (*self._options, f"port={self.port}")]
        own = ("-c listen_addresses=127.0.0.1", "-c unix_socket_directories=''")
        log = self.data.parent / "log"
        self._control("start", "--wait", f"--log={log}", "--options", " ".join([*options, *own]))

    def stop(self, mode: str = "immediate") -> None:
        """Stop, by default like a crash."""
        self._control("stop", "--wait", f"--mode={mode}")

    def promote(self) -> None:
        """Make the primary of a standby."""
        self._control("promote", "--wait")

    def standby(self, folder: Path) -> "PostgresServer":
        """A standby of this server, which runs."""
        copy = PostgresServer(folder)
        copy.run(
            "pg_basebackup",
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
            *(f"--dbname={self.url('postgres')}", f"--pgdata={copy.data}"),
        )
        copy.start()
        return copy

    def url(self, database: str, *, user: str = USER, password: str = ENCODED_PASSWORD) -> str:
        """The URL of a database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Execute a statement of the administrator."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """The name of an empty database."""
        name = f"test_{token_hex(8)}"
        self.execute(f"CREATE DATABASE {name}")
        yield name
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def run(self, name: str, *arguments: str) -> None:
        """Run a program of PostgreSQL as a user who may: it refuses root."""
        subprocess.run(
            [*_as_other_user(), program(name), *arguments],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )

    def _control(self, *arguments: str) -> None:
        self.run("pg_ctl", *arguments, "--silent", f"--pgdata={self.data}")

    def _hand_over(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, OTHER_USER)


def execute(state: DatabaseState, statement: str) -> None:
    with state.database.connection() as connection:
        connection.execute(statement.encode())


def grow_old(state: DatabaseState, seconds: float) -> None:
    """Let all processes be seen last so long ago."""
    execute(
        state,
        f"UPDATE connected_apps_mcp.processes SET seen_at = now() - interval '{seconds} seconds'",  # noqa: S608
    )


def end_sessions_with_locks(state: DatabaseState) -> None:
    execute(
        state, "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
    )


def _as_other_user() -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={OTHER_USER}", "--clear-groups")


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A temporary folder that the user of the server can reach."""
    with tempfile.TemporaryDirectory(prefix="connected-apps-mcp-tests-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A new server, stopped afterwards."""
    with folder_for_all() as folder:
        server = PostgresServer.made(folder)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def primary_and_standby() -> Iterator[tuple[PostgresServer, PostgresServer, str]]:
    """A new server with tables, a standby of it, and the URL of both. They may be stopped."""
    with running_server() as primary, folder_for_all() as folder:
        migrate(primary.url("postgres"))
        standby = primary.standby(folder)
        both = f"@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/"
        url = primary.url("postgres").replace(f"@127.0.0.1:{primary.port}/", both)
        try:
            yield primary, standby, url
        finally:
            standby.stop()
            primary.start()  # for its end


@contextmanager
def pooler(server: PostgresServer, mode: str) -> Iterator[int]:
    """A pooler in front of a server; its port. The mode is `session` or `transaction`."""
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if binary is None:
        cannot_run("pgbouncer is missing")
    port = free_port()
    with folder_for_all() as folder:
        users, settings = folder / "users", folder / "settings"
        users.write_text(f'"{USER}" "{PASSWORD}"\n')
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\n"
            f"auth_type=scram-sha-256\nauth_file={users}\npool_mode={mode}\n"
        )
        command = [*_as_other_user(), binary, "--quiet", str(settings)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for(port)
                yield port
            finally:
                process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(1000):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens on {port}")
