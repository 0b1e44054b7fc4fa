import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from postgres import PostgresServer, end_sessions_with_locks, execute, grow_old, running_server
from support import comes_true

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres import owner
from connected_apps_tools.storage.postgres import state as state_module
from connected_apps_tools.storage.postgres.schema import migrate
from connected_apps_tools.storage.postgres.state import DatabaseRecords, DatabaseState

OTHER_PROCESS = """
import sys
from connected_apps_tools.storage.postgres.state import DatabaseState
records = DatabaseState(sys.argv[1]).records("kind")
held, lock = records.hold("name", "text"), records.try_lock(".turn")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def state(database_url: str) -> Iterator[DatabaseState]:
    state = DatabaseState(database_url)
    yield state
    state.close()


@pytest.fixture
def records(state: DatabaseState) -> DatabaseRecords:
    return state.records("kind")


@pytest.fixture
def other_process(database_url: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds a record and a lock."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_killed_process_no_longer_has_its_locks(
    records: DatabaseRecords, other_process: "subprocess.Popen[str]"
) -> None:
    assert records.try_lock(".turn") is None
    other_process.kill()
    assert comes_true(lambda: records.try_lock(".turn") is not None)


def test_a_process_that_is_paused_keeps_its_locks(
    records: DatabaseRecords, other_process: "subprocess.Popen[str]"
) -> None:
    other_process.send_signal(signal.SIGSTOP)
    assert records.try_lock(".turn") is None


def test_the_records_of_a_killed_process_are_abandoned_after_a_while(
    state: DatabaseState, records: DatabaseRecords, other_process: "subprocess.Popen[str]"
) -> None:
    other_process.kill()
    other_process.wait()
    assert records.read("name", unless_held=True) is None
    grow_old(state, owner.GONE_SECONDS + 1)
    assert records.read("name", unless_held=True) == "text"


def test_a_process_that_ends_abandons_its_records_at_once(
    database_url: str, records: DatabaseRecords
) -> None:
    other = DatabaseState(database_url)
    other.records("kind").hold("name", "text")
    other.close()
    assert records.read("name", unless_held=True) == "text"


def test_a_process_shows_that_it_runs(
    database_url: str,
    state: DatabaseState,
    records: DatabaseRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, "BEAT_SECONDS", 0.01)
    other = DatabaseState(database_url)
    other.records("kind").hold("name", "text")
    grow_old(state, owner.GONE_SECONDS + 1)
    assert comes_true(lambda: records.read("name", unless_held=True) is None)
    other.close()


def test_processes_of_long_ago_are_forgotten(
    state: DatabaseState, records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(
        state,
        "INSERT INTO connected_apps_mcp.processes "
        "VALUES (gen_random_uuid(), now() - interval '2 days')",
    )
    monkeypatch.setattr(owner, "BEAT_SECONDS", 0.01)
    records.hold("name", "text")

    def processes() -> object:
        with state.database.connection() as connection:
            return connection.execute(
                "SELECT count(*) FROM connected_apps_mcp.processes"
            ).fetchone()

    assert comes_true(lambda: processes() == (1,))


def test_a_lock_is_lost_with_its_connection(state: DatabaseState, records: DatabaseRecords) -> None:
    lock = records.try_lock(".turn")
    assert lock is not None
    end_sessions_with_locks(state)
    assert not lock.still_held()
    lock.close()
    assert records.try_lock(".turn") is not None


def test_a_lock_that_was_lost_and_taken_again_is_not_the_old_one(
    state: DatabaseState, records: DatabaseRecords
) -> None:
    old = records.try_lock(".turn")
    end_sessions_with_locks(state)
    new = records.try_lock(".turn")
    assert old is not None
    assert new is not None
    assert not old.still_held()
    old.close()
    assert new.still_held()


def test_a_lock_that_the_database_does_not_know_is_lost(records: DatabaseRecords) -> None:
    lock = records.try_lock(".turn")
    assert lock is not None
    lock.connection.execute("SELECT pg_advisory_unlock_all()")
    assert not lock.still_held()


def test_what_a_process_holds_outlives_an_outage_and_its_locks_do_not() -> None:
    with running_server() as server:
        migrate(server.url("postgres"))
        state = DatabaseState(server.url("postgres"))
        records = state.records("kind")
        held, lock = records.hold("name", "text"), records.try_lock(".turn")
        assert lock is not None
        server.stop()
        assert not lock.still_held()
        with pytest.raises(StoreError, match="cannot be reached"):
            records.write("other", "text")
        server.start()
        assert records.read("name", unless_held=True) is None
        assert records.try_lock(".turn") is not None
        held.close()
        state.close()


def test_a_process_lets_go_as_soon_as_the_database_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, "BEAT_SECONDS", 1000)
    monkeypatch.setattr(owner, "RETRY_SECONDS", 0.01)
    with running_server() as server:
        migrate(server.url("postgres"))
        state, other = (DatabaseState(server.url("postgres")) for _ in range(2))
        held = state.records("kind").hold("name", "text")
        server.stop()
        held.close()
        assert comes_true(lambda: not state._owner._wake.is_set())  # it tries
        server.start()
        seen = other.records("kind")
        assert comes_true(lambda: seen.read("name", unless_held=True) == "text")
        state.close()
        other.close()


def test_the_end_of_a_process_does_not_wait_for_a_database_that_is_stuck(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "CLOSE_SECONDS", 0.01)
    state = DatabaseState(database_url)
    with state._locks._guard:  # as a thread that waits for the database has it
        state.close()


def test_letting_go_waits_for_nothing(records: DatabaseRecords) -> None:
    held, lock = records.hold("name", "text"), records.try_lock(".turn")
    assert lock is not None
    stuck = threading.Lock()
    records._locks._guard = stuck  # as a thread that waits for the database has it
    with stuck:
        lock.close()
        held.close()


def test_what_is_written_is_on_the_disk_though_the_server_is_set_up_otherwise(
    empty_database: str, postgres: PostgresServer
) -> None:
    name = empty_database.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    migrate(empty_database)
    state = DatabaseState(empty_database)
    with state.database.connection() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    state.close()
