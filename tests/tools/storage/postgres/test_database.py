import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from postgres import (
    PASSWORD,
    PostgresServer,
    folder_for_all,
    pooler,
    primary_and_standby,
    running_server,
)

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.database import Database
from connected_apps_tools.storage.postgres.schema import migrate


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as database:
        yield database


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that the tests of this module stop."""
    with running_server() as server:
        migrate(server.url("postgres"))
        yield server


def session_of(database: Database) -> object:
    with database.connection() as connection:
        return connection.execute("SELECT pg_backend_pid()").fetchone()


def why_not(url: str) -> str:
    with Database(url) as database, pytest.raises(StoreError) as refused:
        database.check()
    return str(refused.value)


def test_its_users_share_connections(database: Database) -> None:
    assert session_of(database) == session_of(database)


def test_two_users_at_once_have_two_connections(database: Database) -> None:
    with database.connection():
        first = session_of(database)
        with database.connection():
            assert session_of(database) != first


def test_a_connection_with_an_open_transaction_is_not_used_again(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("BEGIN")
        session = connection.info.backend_pid
    with database.connection() as connection:
        assert connection.info.backend_pid != session


def test_a_connection_that_the_server_closed_is_replaced_unnoticed(
    database: Database, postgres: PostgresServer
) -> None:
    with database.connection() as connection:
        session = connection.info.backend_pid
    postgres.execute(f"SELECT pg_terminate_backend({session}, 5000)")
    database.check()


def test_each_connection_is_used_by_one_at_a_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connected_apps_tools.storage.postgres.database.WAIT_SECONDS", 0)
    with Database(database_url, size=1) as database:
        with (
            database.connection(),
            pytest.raises(StoreError, match="all connections to it are in use"),
            database.connection(),
        ):
            pass
        database.check()


def test_a_statement_that_takes_too_long_ends(database: Database) -> None:
    late = "SET statement_timeout = 1; SELECT pg_sleep(60)"
    with pytest.raises(StoreError, match="did not answer in time"), database.connection() as one:
        one.execute(late)


def test_it_works_again_after_an_outage(own_server: PostgresServer) -> None:
    with Database(own_server.url("postgres")) as database:
        database.check()
        own_server.stop()
        try:
            with pytest.raises(StoreError, match="it cannot be reached"):
                database.check()
        finally:
            own_server.start()
        database.check()


def test_a_standby_is_refused_until_it_is_promoted(own_server: PostgresServer) -> None:
    with folder_for_all() as folder:
        standby = own_server.standby(folder)
        try:
            assert "read-only standby" in why_not(standby.url("postgres"))
            standby.promote()
            with Database(standby.url("postgres")) as database:
                database.check()
        finally:
            standby.stop()


def test_of_several_hosts_it_finds_the_primary(own_server: PostgresServer) -> None:
    with folder_for_all() as folder:
        standby = own_server.standby(folder)
        try:
            both = f"@127.0.0.1:{standby.port},127.0.0.1:{own_server.port}/"
            url = own_server.url("postgres").replace(f"@127.0.0.1:{own_server.port}/", both)
            with Database(url) as database:
                database.check()
        finally:
            standby.stop()


def test_it_goes_on_with_a_standby_that_becomes_the_primary() -> None:
    with primary_and_standby() as (primary, standby, url), Database(url) as database:
        database.check()
        primary.stop()
        assert "read-only standby" in why_not(url)
        standby.promote()
        database.check()


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("53100", "no disk space left"),
        ("53300", "no connection free"),
        ("25006", "a read-only standby"),
        ("57P01", "starting or shutting down"),
        ("55P03", "did not answer in time"),
        ("42P01", "no tables of this program"),
        ("XX000", r"unexpectedly \(SQLSTATE XX000\)"),
    ],
)
def test_each_failure_is_a_clear_error(database: Database, code: str, cause: str) -> None:
    fail = f"DO $$ BEGIN RAISE EXCEPTION 'my text' USING ERRCODE = '{code}'; END $$"
    with (
        pytest.raises(StoreError, match=f"The database cannot be used: .*{cause}") as failed,
        database.connection() as connection,
    ):
        connection.execute(fail.encode())
    assert "my text" not in str(failed.value)


def test_a_wrong_password_is_a_clear_error(postgres: PostgresServer) -> None:
    text = why_not(postgres.url("postgres", password="not-the-password"))
    assert "refuses the role or its password" in text
    assert "not-the-password" not in text


def test_a_server_without_tls_is_a_clear_error(postgres: PostgresServer) -> None:
    assert "by TLS" in why_not(postgres.url("postgres") + "?sslmode=require")


def test_a_certificate_that_is_missing_is_a_clear_error(postgres: PostgresServer) -> None:
    url = postgres.url("postgres") + "?sslmode=verify-full&sslrootcert=/missing"
    assert "Correct sslmode or sslrootcert" in why_not(url)


def test_a_missing_database_is_a_clear_error(postgres: PostgresServer) -> None:
    assert "there is no such database or role" in why_not(postgres.url("missing"))


def test_a_database_without_tables_is_a_clear_error(empty_database: str) -> None:
    assert "Run connected-apps-mcp database migrate" in why_not(empty_database)


@pytest.mark.parametrize(
    "url",
    ["mysql://127.0.0.1/name", "host=127.0.0.1", "postgresql://[::1/", "postgresql://h/d?a=%"],
)
def test_what_is_no_url_of_a_database_is_refused_without_repeating_it(url: str) -> None:
    assert url not in why_not(url)


def test_the_log_of_a_failed_connection_has_no_password(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    why_not(postgres.url("missing"))
    assert "missing" in caplog.text
    assert PASSWORD not in caplog.text


def test_each_outage_is_logged_once(
    own_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    with Database(own_server.url("postgres")) as database:
        for _ in range(2):
            database.check()
            own_server.stop()
            for _ in range(3):
                with pytest.raises(StoreError):
                    database.check()
            own_server.start()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("password", ["pa@Sh0wn", "Sh0wn/word", "pa@Sh0wn:1"])
def test_a_password_that_is_not_encoded_is_shown_nowhere(
    password: str, caplog: pytest.LogCaptureFixture
) -> None:
    why = why_not(f"postgresql://user:{password}@localhost/name")
    assert "written %40 and %2F" in why
    assert "Sh0wn" not in why + caplog.text


def test_a_pooler_in_transaction_mode_is_refused(
    postgres: PostgresServer, database_url: str
) -> None:
    with pooler(postgres, "transaction") as port:
        assert "a pooler in transaction mode" in why_not(
            database_url.replace(f":{postgres.port}/", f":{port}/")
        )


def test_a_pooler_in_session_mode_serves(postgres: PostgresServer, database_url: str) -> None:
    with (
        pooler(postgres, "session") as port,
        Database(database_url.replace(f":{postgres.port}/", f":{port}/")) as database,
    ):
        database.check()


def test_an_old_server_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connected_apps_tools.storage.postgres.connection.OLDEST_SERVER", 99)
    assert "99 is the oldest that works" in why_not(database_url)


def test_a_right_that_is_missing_is_a_clear_error(database: Database) -> None:
    as_other = "SET ROLE pg_read_all_stats; SELECT 1 FROM connected_apps_mcp.records"
    with pytest.raises(StoreError, match="its role lacks a right"), database.connection() as one:
        one.execute(as_other)


def test_the_text_of_an_unexpected_error_is_not_shown(database: Database) -> None:
    with pytest.raises(StoreError) as failed, database.connection() as connection:
        connection.execute("SELECT 1/0")
    assert str(failed.value).endswith("it failed unexpectedly (SQLSTATE 22012).")


def test_a_closed_database_leaves_no_connection(database_url: str) -> None:
    database = Database(database_url)
    with database.connection() as connection, suppress(StoreError):
        database.close()
    assert connection.closed


def test_nothing_else_imports_the_library_of_the_database() -> None:
    script = (
        "import sys, connected_apps_mcp.commands.cli, connected_apps_mcp.protocol.server, "
        "connected_apps_mcp.wiring; sys.exit('psycopg' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
