"""What holds for shared state, be it in folders or in a database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import comes_true

from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.postgres.state import DatabaseState
from connected_apps_tools.storage.records import FolderState, Records, SharedState

Join = Callable[[], SharedState]
"""Makes the state of one more process."""

KIND = "kind"


@pytest.fixture(params=["folders", "database"])
def join(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Join]:
    if request.param == "folders":
        yield lambda: FolderState(tmp_path / "data")
        return
    url = request.getfixturevalue("database_url")
    with ExitStack() as processes:

        def join() -> SharedState:
            state = DatabaseState(url)
            processes.callback(state.close)
            return state

        yield join


@pytest.fixture
def ours(join: Join) -> Records:
    return join().records(KIND)


@pytest.fixture
def theirs(join: Join) -> Records:
    """The same records, in another process."""
    return join().records(KIND)


def test_a_record_is_read_as_it_was_written(ours: Records, theirs: Records) -> None:
    ours.write("name", "text ü\n")
    assert theirs.read("name") == "text ü\n"
    assert theirs.read("other") is None


def test_a_record_is_replaced(ours: Records, theirs: Records) -> None:
    ours.write("name", "first")
    theirs.write("name", "second")
    assert ours.read("name") == "second"


def test_records_of_another_kind_are_others(ours: Records, join: Join) -> None:
    ours.write("name", "text")
    assert join().records("other").read("name") is None


def test_names_are_sorted_and_leave_out_those_with_a_dot(ours: Records) -> None:
    for name in ("b", "a", "C", ".hidden"):
        ours.write(name, "")
    assert ours.names() == ["C", "a", "b"]


def test_nothing_is_there_at_first(ours: Records) -> None:
    assert ours.names() == []
    assert ours.read("name") is None
    assert not ours.remove("name")


def test_a_check_leaves_nothing_behind(ours: Records) -> None:
    ours.check()
    assert ours.names() == []


def test_of_many_creators_one_succeeds(join: Join) -> None:
    processes = [join().records(KIND) for _ in range(4)]
    processes[0].check()  # the folder is there
    with ThreadPoolExecutor(4) as threads:
        created = list(threads.map(lambda records: records.create("name", "text"), processes))
    assert sorted(created) == [False, False, False, True]


def test_of_many_removers_one_succeeds(join: Join) -> None:
    processes = [join().records(KIND) for _ in range(4)]
    processes[0].write("name", "text")
    with ThreadPoolExecutor(4) as threads:
        removed = list(threads.map(lambda records: records.remove("name"), processes))
    assert sorted(removed) == [False, False, False, True]


def test_a_held_record_is_seen_as_held_by_all(ours: Records, theirs: Records) -> None:
    held = ours.hold("name", "text")
    assert ours.read("name") == theirs.read("name") == "text"
    assert ours.read("name", unless_held=True) is None
    assert theirs.read("name", unless_held=True) is None
    held.close()


def test_a_record_that_is_let_go_of_stays_and_is_not_held(ours: Records, theirs: Records) -> None:
    held = ours.hold("name", "text")
    held.close()
    held.close()
    assert ours.read("name", unless_held=True) == "text"
    assert comes_true(lambda: theirs.read("name", unless_held=True) == "text")


def test_a_held_record_can_be_removed(ours: Records, theirs: Records) -> None:
    held = ours.hold("name", "text")
    assert ours.remove("name")
    held.close()
    assert theirs.names() == []


def test_a_record_that_is_not_held_is_read_as_such(ours: Records, theirs: Records) -> None:
    ours.write("name", "text")
    assert theirs.read("name", unless_held=True) == "text"


def test_one_process_has_a_lock_at_a_time(ours: Records, theirs: Records) -> None:
    lock = ours.try_lock(".turn")
    assert lock is not None
    assert lock.still_held()
    assert theirs.try_lock(".turn") is None
    assert ours.try_lock(".turn") is None
    lock.close()
    assert not lock.still_held()
    assert comes_true(lambda: theirs.try_lock(".turn") is not None)


def test_a_lock_that_is_given_back_can_be_taken_at_once(ours: Records) -> None:
    for _ in range(20):
        lock = ours.try_lock(".turn")
        assert lock is not None
        lock.close()


def test_a_lock_is_closed_as_often_as_one_likes(ours: Records) -> None:
    first = ours.try_lock(".turn")
    assert first is not None
    first.close()
    second = ours.try_lock(".turn")
    first.close()
    assert second is not None
    assert second.still_held()


def test_different_locks_are_independent(ours: Records, join: Join) -> None:
    assert ours.try_lock("a") is not None
    assert ours.try_lock("b") is not None
    assert join().records("other").try_lock("a") is not None


def test_a_lock_is_no_record(ours: Records) -> None:
    assert ours.try_lock(".turn") is not None
    assert ours.names() == []


def test_changes_under_a_lock_do_not_overwrite_each_other(join: Join) -> None:
    def count(records: Records) -> None:
        for _ in range(10):
            with records.locked(".turn", 60) as locked:
                locked.write("count", str(int(locked.read("count") or 0) + 1))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(count, [join().records(KIND) for _ in range(3)]))
    assert join().records(KIND).read("count") == "30"


def test_a_lock_that_stays_taken_is_an_error(ours: Records, theirs: Records) -> None:
    with (
        ours.locked(".turn", 0),
        pytest.raises(StoreError, match="is held by another process"),
        theirs.locked(".turn", 0),
    ):
        pass
