"""The audit log in a database: one chain for all servers, which only its owner can change."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres import PostgresServer, folder_for_all, running_server
from server.audit.logs import CALL, record
from sizes import sized

from connected_apps_mcp.audit import AuditFailed, AuditLog, Outcome
from connected_apps_mcp.audit.chain import ChainLink, Head
from connected_apps_mcp.audit.reading import Unreadable, all_lines, last_lines
from connected_apps_mcp.audit.table import Table, TableSnapshot
from connected_apps_mcp.audit.verify import Verification
from connected_apps_mcp.audit.verify import verify as verify_log
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.database import Database
from connected_apps_tools.storage.postgres.schema import migrate

MAX_BYTES = 1_500
"""Size of a file of lines. Some calls fill one."""

KILLS = sized("kills of a writer of the audit log")

Tamper = Callable[..., None]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as database:
        yield database


@pytest.fixture
def table(database: Database, key: Path) -> Table:
    return Table(database, key, max_bytes=MAX_BYTES)


@pytest.fixture
def log(table: Table) -> AuditLog:
    return AuditLog(table)


@pytest.fixture
def verify(database: Database, key: Path) -> Callable[..., Verification]:
    def verify(**options: Any) -> Verification:
        return verify_log(TableSnapshot(database), key, **options)

    return verify


@pytest.fixture
def tamper(database: Database) -> Tamper:
    """Changes the log as the owner of its tables can."""

    def change(statement: str, *values: str) -> None:
        tables = ("audit_lines", "audit_head")
        with database.connection() as connection:
            connection.execute("SET search_path = connected_apps_mcp")
            for table in tables:
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
            connection.execute(statement.encode(), values)
            for table in tables:
                connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())

    return change


async def test_what_is_recorded_is_there_in_order_and_verifies(
    log: AuditLog, database: Database, verify: Callable[..., Verification]
) -> None:
    await record(log, 5)
    report = verify()
    assert report.problems == []
    assert report.files > 1
    assert report.lines == 10 + report.files
    assert len(list(all_lines(TableSnapshot(database)))) == report.lines
    assert b'"seq":%d,' % report.lines in last_lines(TableSnapshot(database), 1)[0]


async def test_two_logs_continue_one_chain(
    log: AuditLog, database: Database, key: Path, verify: Callable[..., Verification]
) -> None:
    other = AuditLog(Table(database, key, max_bytes=MAX_BYTES))
    for _ in range(3):
        await record(log)
        await record(other)
    assert verify().problems == []


_RECORDS = """
import sys
from pathlib import Path
import anyio
from server.audit.logs import CALL
from connected_apps_mcp.audit import AuditLog, Outcome
from connected_apps_mcp.audit.table import Table
from connected_apps_tools.storage.postgres.database import Database

async def main(url, key, times):
    with Database(url) as database:
        log = AuditLog(Table(database, Path(key), max_bytes=4000))
        for _ in range(int(times)):
            entry = await log.intend(CALL)
            print(entry.id, flush=True)
            assert await log.outcome(entry, Outcome())

anyio.run(main, *sys.argv[1:])
"""


@contextmanager
def recording(url: str, key: Path, times: int) -> Iterator[subprocess.Popen[str]]:
    """A process that records calls, and prints the id of each intent that is in the table."""
    command = [sys.executable, "-c", _RECORDS, url, str(key), str(times)]
    tests = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tests) as process:
        yield process


def test_processes_that_write_at_once_make_one_chain(
    database_url: str, key: Path, verify: Callable[..., Verification]
) -> None:
    with ExitStack() as running:
        writers = [running.enter_context(recording(database_url, key, 20)) for _ in range(3)]
        entries = [entry for writer in writers for entry in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert len(set(entries)) == 3 * 20
    report = verify()
    assert (report.problems, report.pending) == ([], {})
    assert report.lines == 3 * 20 * 2 + report.files


def test_a_log_can_be_verified_while_it_is_written(
    database_url: str, key: Path, verify: Callable[..., Verification]
) -> None:
    with recording(database_url, key, 50) as writer:
        assert writer.stdout
        writer.stdout.readline()
        reports = [verify() for _ in range(20)]
        writer.communicate()
    assert [report.problems for report in reports] == [[]] * 20


@pytest.mark.series
def test_whatever_a_killed_process_wrote_is_there_and_others_go_on(
    database_url: str, key: Path, database: Database, verify: Callable[..., Verification]
) -> None:
    acknowledged: list[str] = []
    with recording(database_url, key, 10_000) as other:
        for number in range(KILLS):
            with recording(database_url, key, 10_000) as process:
                assert process.stdout
                acknowledged.append(process.stdout.readline().strip())
                time.sleep(number * 0.003)
                process.kill()
                acknowledged += process.stdout.read().split()
            assert verify().problems == []
        other.kill()
        assert other.stdout
        acknowledged += other.stdout.read().split()
    Table(database, key, max_bytes=MAX_BYTES).append({"event": "next"})
    assert verify().problems == []
    written = b"".join(all_lines(TableSnapshot(database))).decode()
    assert len(acknowledged) > KILLS
    assert [
        entry for entry in acknowledged if f'"event":"intent","entry":"{entry}' not in written
    ] == []


class PausedTable(Table):
    """The table of a server that pauses within a write."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.paused, self.goes_on = threading.Event(), threading.Event()

    def _extended(self, *arguments: Any) -> tuple[Head, bytes]:
        self.paused.set()
        assert self.goes_on.wait(100)
        return super()._extended(*arguments)


def test_a_server_that_pauses_within_a_write_does_not_stop_the_others(
    database: Database, key: Path, table: Table, verify: Callable[..., Verification]
) -> None:
    paused = PausedTable(database, key, max_bytes=MAX_BYTES)
    table.append({"event": "refusals"})
    with ThreadPoolExecutor(1) as threads:
        write = threads.submit(paused.append, {"event": "refusals"})
        assert paused.paused.wait(100)
        table.append({"event": "refusals"})
        paused.goes_on.set()
        with pytest.raises(StoreError, match="the connection was lost"):
            write.result()
    paused.append({"event": "refusals"})
    report = verify()
    assert (report.lines, report.problems) == (4, [])


async def test_a_standby_that_takes_over_continues_the_chain(key: Path) -> None:
    with running_server() as primary, folder_for_all() as folder:
        migrate(primary.url("postgres"))
        with Database(primary.url("postgres")) as database:
            log = AuditLog(Table(database, key, max_bytes=MAX_BYTES))
            await record(log, 3)
        standby = primary.standby(folder)
        try:
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = primary.url("postgres").replace(f"127.0.0.1:{primary.port}", hosts)
            with Database(url) as database:
                log = AuditLog(Table(database, key, max_bytes=MAX_BYTES))
                await record(log, 1)
                primary.stop("fast")  # the standby gets all lines before
                with pytest.raises(AuditFailed, match="The database cannot be used"):
                    await log.intend(CALL)
                standby.promote()
                await record(log, 3)
                assert verify_log(TableSnapshot(database), key).problems == []
        finally:
            standby.stop()
            primary.start()


async def test_a_check_writes_nothing(
    log: AuditLog, database: Database, verify: Callable[..., Verification]
) -> None:
    await log.check()
    with pytest.raises(Unreadable, match="Nothing is recorded yet"):
        TableSnapshot(database)
    await record(log)
    await log.check()
    assert verify().lines == 3


async def test_an_intent_without_an_outcome_is_pending(
    log: AuditLog, verify: Callable[..., Verification]
) -> None:
    entry = await log.intend(CALL)
    assert verify().pending == {entry.id: "delete_app"}


CHANGES = {
    "a line was changed": "UPDATE audit_lines SET line = replace(line, 'accept', 'cancel')",
    "a line was removed": "DELETE FROM audit_lines WHERE seq = 4",
    "the end was cut off": "DELETE FROM audit_lines WHERE seq > 4",
    "a file was removed": "DELETE FROM audit_lines WHERE file = 2",
    "a line was repeated": "INSERT INTO audit_lines SELECT seq + 100, file, line FROM audit_lines"
    " WHERE seq = 4",
    "lines changed places": "UPDATE audit_lines AS a SET line = b.line FROM audit_lines AS b"
    " WHERE a.seq IN (4, 5) AND b.seq = 9 - a.seq",
    "a part of a line was added": "INSERT INTO audit_lines"
    " SELECT max(seq) + 1, max(file), '{\"v\":1' FROM audit_lines",
    "a line was added in a far file": "INSERT INTO audit_lines VALUES (1000, 2147483647, '{}')",
    "a line was added before the first file": "INSERT INTO audit_lines VALUES (0, 0, '{}')",
    "the head was removed": "DELETE FROM audit_head",
    "the head was changed": "UPDATE audit_head SET document = replace(document, '1', '2')",
    "all lines were removed": "DELETE FROM audit_lines",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_tampering_is_found(
    log: AuditLog, tamper: Tamper, verify: Callable[..., Verification], change: str
) -> None:
    await record(log, 5)
    tamper(change)
    assert verify().problems != []


async def test_an_older_head_is_found_even_by_one_write(
    log: AuditLog, database: Database, tamper: Tamper, verify: Callable[..., Verification]
) -> None:
    await record(log, 1)
    older = TableSnapshot(database).head.decode()
    await log.intend(CALL)
    tamper("UPDATE audit_head SET document = %s", older)
    assert verify().problems == ["The head is older than the last lines."]
    with pytest.raises(AuditFailed, match="changed by something else"):
        await log.intend(CALL)


async def test_a_writer_finds_that_the_end_was_cut_off(log: AuditLog, tamper: Tamper) -> None:
    await record(log, 2)
    tamper("DELETE FROM audit_lines WHERE seq = 5")
    with pytest.raises(AuditFailed, match="changed by something else"):
        await log.intend(CALL)


async def test_an_earlier_state_put_back_is_found_by_the_remembered_line_and_the_writer(
    log: AuditLog, database: Database, tamper: Tamper, verify: Callable[..., Verification]
) -> None:
    await record(log, 1)
    older = TableSnapshot(database).head.decode()
    await record(log, 1)
    last = verify().last
    tamper("DELETE FROM audit_lines WHERE seq > 3")
    tamper("UPDATE audit_head SET document = %s", older)
    assert verify().problems == []
    assert verify(remembered=last).problems == [f"The remembered line {last.seq} is not there."]
    with pytest.raises(AuditFailed, match="changed by something else"):
        await log.intend(CALL)


async def test_the_first_files_can_be_archived(
    log: AuditLog, tamper: Tamper, verify: Callable[..., Verification]
) -> None:
    await record(log, 10)
    tamper("DELETE FROM audit_lines WHERE file < 3")
    assert verify(first=3).problems == []
    assert verify().problems != []
    await record(log)
    assert verify(first=3).problems == []


async def test_a_server_with_another_key_writes_nothing(
    log: AuditLog, database: Database, tmp_path: Path, verify: Callable[..., Verification]
) -> None:
    await record(log)
    other = tmp_path / "other"
    other.write_text("o" * 64)
    other.chmod(0o600)
    with pytest.raises(StoreError, match="the key is a different one"):
        Table(database, other, max_bytes=MAX_BYTES).append({"event": "intent"})
    assert verify().lines == 3


@pytest.fixture
def server_role(postgres: PostgresServer) -> Iterator[str]:
    postgres.execute("CREATE ROLE audited LOGIN PASSWORD 'audited'")
    yield "audited"
    postgres.execute("DROP ROLE audited")


async def test_the_role_of_the_server_appends_and_can_change_nothing(
    postgres: PostgresServer, key: Path, server_role: str
) -> None:
    with postgres.new_database() as name:
        migrate(postgres.url(name), server_role)
        url = postgres.url(name, user=server_role, password=server_role)
        with Database(url) as database:
            log = AuditLog(Table(database, key, max_bytes=MAX_BYTES))
            await log.check()
            await record(log)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in (
                "UPDATE connected_apps_mcp.audit_lines SET line = ''",
                "DELETE FROM connected_apps_mcp.audit_lines",
                "TRUNCATE connected_apps_mcp.audit_lines",
                "DELETE FROM connected_apps_mcp.audit_head",
                "ALTER TABLE connected_apps_mcp.audit_lines DISABLE TRIGGER ALL",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
        postgres.execute(f"DROP OWNED BY {server_role}", name)


@pytest.mark.parametrize("change", ["UPDATE {} SET seq = 0", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_owner_changes_no_line_by_mistake(database_url: str, change: str) -> None:
    statement = change.format("connected_apps_mcp.audit_lines")
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grows"),
    ):
        connection.execute(statement.encode())


async def test_without_the_database_no_call_is_made_and_afterwards_all_is_well(
    log: AuditLog, database_url: str, postgres: PostgresServer, verify: Callable[..., Verification]
) -> None:
    name = database_url.rpartition("/")[2]
    entry = await log.intend(CALL)
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'"
    )
    with pytest.raises(AuditFailed, match="The database cannot be used"):
        await log.intend(CALL)
    assert not await log.outcome(entry, Outcome())
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await record(log)
    report = verify()
    assert (report.problems, report.pending) == ([], {})


def test_nothing_is_written_in_part(
    table: Table, tamper: Tamper, verify: Callable[..., Verification]
) -> None:
    table.append({"event": "refusals"})
    tamper("ALTER TABLE audit_head ADD CHECK (strpos(document, '\"seq\":4,') = 0)")
    with pytest.raises(StoreError, match="SQLSTATE 23514"):
        table.append({"event": "refusals"}, {"event": "refusals"})
    report = verify()
    assert (report.lines, report.problems) == (2, [])


def test_a_remembered_line_of_another_log_is_not_there(
    table: Table, verify: Callable[..., Verification]
) -> None:
    table.append({"event": "refusals"})
    assert verify(remembered=ChainLink(2, "0" * 64)).problems != []
