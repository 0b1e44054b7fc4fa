"""What a server over HTTP says while its database fails, and that it recovers."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from secrets import token_hex

import anyio
import httpx2
import psycopg
import pytest
from click.testing import CliRunner
from disks import AS_ROOT, fill, small_disk
from mcp import Client
from postgres import (
    OTHER_USER,
    PASSWORD,
    USER,
    PostgresServer,
    folder_for_all,
    primary_and_standby,
    running_server,
)
from psycopg import sql
from support import answer, comes_true, listening, refusal, running

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.settings.credentials import DATABASE_URL
from connected_apps_tools.storage.postgres.schema import migrate
from connected_apps_tools.storage.threads import in_thread

MINE = {"client_type": "first_party", "client_name": "Mine"}


class Desk:
    """A client of a server, and an app."""

    def __init__(self, client: Client, url: str, app: str) -> None:
        self.client, self.url, self.app = client, url, app

    async def read(self) -> str:
        """The name of the app, through the server."""
        shown = answer(await self.client.call_tool("get_app", {"client_id": self.app}))
        return str(shown["app"]["client_name"])

    async def rename(self, name: str) -> None:
        """Change the app."""
        answer(await self.client.call_tool("update_app", self.renaming(name)))

    async def refusal(self, tool: str = "update_app") -> str:
        """Why a change is refused."""
        arguments = {
            "create_app": MINE,
            "update_app": self.renaming("Refused"),
        }.get(tool, {"client_id": self.app})
        return str(refusal(await self.client.call_tool(tool, arguments)))

    def renaming(self, name: str) -> dict[str, str]:
        """The arguments of a change."""
        return {"client_id": self.app, "client_name": name}


@pytest.fixture
def flags(key: Path, tmp_path: Path) -> list[str]:
    """The flags of a server."""
    return [
        *("--sandbox", "--data-dir", str(tmp_path), "--sandbox-db", str(tmp_path / "apps")),
        *("--secret-store", "file", "--shared-data-dir", "--audit-key-file", str(key)),
        *("--state-key-file", str(key)),
        *("--confirm", "never", "--transport", "http"),
    ]


@asynccontextmanager
async def desk_at(database: str, flags: list[str]) -> AsyncIterator[Desk]:
    """A desk with a server on a database. At the end, each change is in the audit log."""
    with listening(*flags, **{DATABASE_URL: database}) as urls:
        async with Client(urls["http"]) as client:
            made = answer(await client.call_tool("create_app", MINE))
            yield Desk(client, urls["http"], made["app"]["client_id"])
    key = flags[flags.index("--audit-key-file") + 1]
    verify = ["audit", "verify", "--audit-key-file", key]
    verified = CliRunner().invoke(main, verify, env={DATABASE_URL: database})
    assert verified.exit_code == 0, verified.output
    assert "pending" not in verified.output


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server that these tests stop."""
    with running_server() as server:
        yield server


@pytest.fixture
def own_database(own_server: PostgresServer) -> Iterator[str]:
    """The URL of a database of it."""
    with own_server.new_database() as name:
        migrate(own_server.url(name))
        yield own_server.url(name)


@pytest.fixture
def small_database(own_server: PostgresServer) -> Iterator[tuple[str, Path]]:
    """The URL of a database on a small disk, and the disk."""
    name = f"small_{token_hex(8)}"
    with small_disk("24m") as disk:
        shutil.chown(disk, OTHER_USER)
        own_server.execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'")
        own_server.execute(f"CREATE DATABASE {name} TABLESPACE {name}")
        migrate(own_server.url(name))
        yield own_server.url(name), disk
        own_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        own_server.execute(f"DROP TABLESPACE {name}")


def is_ready(url: str) -> bool:
    """Whether a server says so."""
    return httpx2.get(url.replace("/mcp", "/readyz")).text == "ok"


async def until_refused(desk: Desk) -> str:
    """Change the app until that is refused, and return why. There may be space left for a while."""
    for number in range(300):
        called = await desk.client.call_tool("update_app", desk.renaming(f"Name {number}"))
        if called.is_error:
            return str(refusal(called))
    raise AssertionError("nothing was refused")


async def until_allowed(desk: Desk) -> None:
    """Change the app as soon as that is possible."""
    for _ in range(1000):
        if not (await desk.client.call_tool("update_app", desk.renaming("Allowed"))).is_error:
            return
        await anyio.sleep(0.05)
    raise AssertionError("nothing was allowed")


@contextmanager
def read_only(server: PostgresServer) -> Iterator[None]:
    """Meanwhile, no session may write but this one."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as administrator:
        administrator.execute("SET default_transaction_read_only = off")
        administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        administrator.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")


@contextmanager
def other_password(server: PostgresServer) -> Iterator[None]:
    """Meanwhile, the role has another password."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as administrator:
        administrator.execute(f"ALTER ROLE {USER} PASSWORD 'another'".encode())
        administrator.execute(END_SESSIONS.encode())
        try:
            yield
        finally:
            administrator.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(USER), PASSWORD)
            )


END_SESSIONS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

LATER = """
INSERT INTO connected_apps_mcp.migrations (number, name, works_from) VALUES (99, 'later', 99)
"""

CHANGES = ("create_app", "update_app", "start_secret_rotation", "delete_app")


async def test_while_the_database_is_away_reads_go_on_and_changes_are_refused(
    own_server: PostgresServer, own_database: str, flags: list[str]
) -> None:
    async with desk_at(own_database, flags) as desk:
        own_server.stop()
        try:
            assert await desk.read() == "Mine"
            for tool in CHANGES:
                refused = await desk.refusal(tool)
                assert "Nothing was sent" in refused
                assert "The database cannot be used: it cannot be reached." in refused
                assert await desk.read() == "Mine"
            assert not is_ready(desk.url)
        finally:
            own_server.start()
        await desk.rename("Afterwards")
        assert await desk.read() == "Afterwards"
        assert await in_thread(comes_true, lambda: is_ready(desk.url))


@AS_ROOT
async def test_with_a_full_disk_reads_go_on_and_changes_are_refused(
    small_database: tuple[str, Path], flags: list[str]
) -> None:
    url, disk = small_database
    async with desk_at(url, flags) as desk:
        filler = fill(disk)
        refused = await until_refused(desk)
        assert "Nothing was sent" in refused
        assert "The database cannot be used: it has no disk space left." in refused
        before = await desk.read()
        await desk.refusal()
        assert await desk.read() == before
        filler.unlink()
        await desk.rename("Afterwards")


async def test_while_the_database_is_read_only_reads_go_on_and_changes_are_refused(
    own_server: PostgresServer, own_database: str, flags: list[str]
) -> None:
    async with desk_at(own_database, flags) as desk:
        with read_only(own_server):
            refused = await until_refused(desk)
            assert "Nothing was sent" in refused
            assert "The database cannot be used: it is a read-only standby." in refused
            assert await desk.read() != "Refused"
        await until_allowed(desk)


async def test_a_server_goes_on_with_a_standby_that_becomes_the_primary(flags: list[str]) -> None:
    with primary_and_standby() as (primary, standby, url):
        async with desk_at(url, flags) as desk:
            await desk.rename("Before")
            primary.stop("fast")  # the standby gets everything before
            refused = await desk.refusal()
            assert "Nothing was sent" in refused
            assert "The database cannot be used: it is a read-only standby." in refused
            assert await desk.read() == "Before"
            standby.promote()
            await desk.rename("Afterwards")


async def test_a_password_that_is_no_longer_right_is_named_until_it_is(
    own_server: PostgresServer, own_database: str, flags: list[str]
) -> None:
    async with desk_at(own_database, flags) as desk:
        with other_password(own_server):
            refused = await desk.refusal()
            assert "Nothing was sent" in refused
            assert "The database cannot be used: it refuses the role or its password." in refused
            assert PASSWORD not in refused
            assert await desk.read() == "Mine"
        await desk.rename("Afterwards")


async def test_tables_of_a_version_that_needs_a_later_server_are_refused(
    own_server: PostgresServer, own_database: str, flags: list[str]
) -> None:
    name = own_database.rpartition("/")[2]
    async with desk_at(own_database, flags) as desk:
        own_server.execute(LATER, name)
        own_server.execute(END_SESSIONS, name)
        assert "its tables of version 99 need a later version" in await desk.refusal()
        assert await desk.read() == "Mine"
        own_server.execute("DELETE FROM connected_apps_mcp.migrations WHERE number = 99", name)
        await desk.rename("Afterwards")


READ_ONLY_STANDBY = "it is a read-only standby. Give the address of the primary."


def refusal_at_start(url: str, flags: list[str]) -> str:
    """What a server says that refuses to start."""
    with running("serve", "--port", "0", *flags, **{DATABASE_URL: url}) as process:
        _, text = process.communicate(timeout=100)
    assert process.returncode == 2, text
    return text


def test_a_server_refuses_to_start_with_a_wrong_password(
    own_server: PostgresServer, flags: list[str]
) -> None:
    url = own_server.url("postgres", password="not-the-password")
    text = refusal_at_start(url, flags)
    assert f"Error: {DATABASE_URL}: The database cannot be used: it refuses the role" in text
    assert "not-the-password" not in text


def test_a_server_refuses_to_start_with_a_standby(
    own_server: PostgresServer, flags: list[str]
) -> None:
    with folder_for_all() as folder:
        standby = own_server.standby(folder)
        try:
            text = refusal_at_start(standby.url("postgres"), flags)
        finally:
            standby.stop()
    assert f"Error: {DATABASE_URL}: The database cannot be used: {READ_ONLY_STANDBY}" in text


def test_a_server_refuses_to_start_without_its_tables(
    own_server: PostgresServer, flags: list[str]
) -> None:
    with own_server.new_database() as name:
        text = refusal_at_start(own_server.url(name), flags)
    assert "needs tables of version" in text
    assert "Run connected-apps-mcp database migrate." in text


def test_a_server_refuses_to_start_with_tables_that_need_a_later_one(
    own_server: PostgresServer, own_database: str, flags: list[str]
) -> None:
    own_server.execute(LATER, own_database.rpartition("/")[2])
    assert "need a later version of this program. Update it." in refusal_at_start(
        own_database, flags
    )
