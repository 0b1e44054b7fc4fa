from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres import PostgresServer

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.connection import Connection, connect
from connected_apps_tools.storage.postgres.database import Database
from connected_apps_tools.storage.postgres.schema import (
    Migration,
    migrate,
    migrations,
    require_fitting,
)

NEWEST = migrations()[-1].number


def later(works_from: int) -> Sequence[Migration]:
    """The migrations of the next version."""
    text = "CREATE TABLE connected_apps_mcp.more ();"
    return [*migrations(), Migration(NEWEST + 1, "more", text, works_from)]


@pytest.fixture
def connection(empty_database: str) -> Iterator[Connection]:
    with connect(empty_database) as connection:
        yield connection


def test_a_migration_makes_the_tables(empty_database: str) -> None:
    assert migrate(empty_database) == [step.name for step in migrations()]
    with Database(empty_database) as database:
        database.check()


def test_each_migration_runs_once(empty_database: str) -> None:
    migrate(empty_database)
    assert migrate(empty_database) == []


def test_of_many_processes_one_migrates(empty_database: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        ran = list(threads.map(migrate, [empty_database] * 8))
    assert sorted(ran)[:-1] == [[]] * 7


def test_migrations_take_effect_together_or_not_at_all(
    empty_database: str, connection: Connection
) -> None:
    broken = Migration(NEWEST + 1, "broken", "SELECT 1/0;", 1)
    with pytest.raises(StoreError):
        migrate(empty_database, known=[*migrations(), broken])
    assert connection.execute("SELECT to_regclass('connected_apps_mcp.records')").fetchone() == (
        None,
    )


def test_the_numbers_of_migrations_have_no_gaps() -> None:
    assert [step.number for step in migrations()] == list(range(1, NEWEST + 1))


def test_a_role_that_may_make_no_tables_is_a_clear_error(
    empty_database: str, postgres: PostgresServer
) -> None:
    postgres.execute("CREATE ROLE powerless LOGIN PASSWORD 'p'")
    name = empty_database.rpartition("/")[2]
    try:
        with pytest.raises(StoreError, match="the role that owns the database"):
            migrate(postgres.url(name, user="powerless", password="p"))
    finally:
        postgres.execute("DROP ROLE powerless")


def test_a_server_refuses_older_tables(empty_database: str, connection: Connection) -> None:
    migrate(empty_database)
    with pytest.raises(StoreError, match="Run connected-apps-mcp database migrate"):
        require_fitting(connection, later(works_from=1))


def test_a_server_works_with_later_tables_that_allow_it(
    empty_database: str, connection: Connection
) -> None:
    migrate(empty_database, known=later(works_from=NEWEST))
    require_fitting(connection)


def test_a_server_refuses_later_tables_that_need_a_later_server(
    empty_database: str, connection: Connection
) -> None:
    migrate(empty_database, known=later(works_from=NEWEST + 1))
    with pytest.raises(StoreError, match="Update it"):
        require_fitting(connection)


def test_a_role_gets_the_rights_of_a_server_and_no_more(
    empty_database: str, postgres: PostgresServer
) -> None:
    postgres.execute("CREATE ROLE \"a 'server'\" LOGIN PASSWORD 'p'")
    name = empty_database.rpartition("/")[2]
    as_server = postgres.url(name, user="a%20%27server%27", password="p")
    try:
        migrate(empty_database, "a 'server'")
        with Database(as_server) as database:
            with database.connection() as connection:
                connection.execute("DELETE FROM connected_apps_mcp.records")
            with (
                pytest.raises(StoreError, match="lacks a right"),
                database.connection() as connection,
            ):
                connection.execute("DELETE FROM connected_apps_mcp.migrations")
    finally:
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
        postgres.execute("DROP ROLE \"a 'server'\"")


def test_an_unknown_role_is_a_clear_error(empty_database: str) -> None:
    with pytest.raises(StoreError, match="no such role"):
        migrate(empty_database, "nobody-here")
