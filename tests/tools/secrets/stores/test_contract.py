"""The contract of every store."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from tools.secrets.stores.backends import SECRET, OpenStore

from connected_apps_tools.secrets.stores import SecretKey, SecretStore, StoredEntry

ODD = {
    "plain": SECRET,
    "unicode": "пароль-🔑-ﬁn",
    "quotes": "\"'`\\$(x) {{y}} %s &amp;",
    "control": "tab\t newline\n return\r nul\0",
    "spaces": "  around  ",
    "long": "x" * 4096,
    "short": "1",
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_get_returns_what_was_put(store: SecretStore, key: SecretKey, value: str) -> None:
    store.put(key, SecretStr(value))
    stored = store.get(key)
    assert stored
    assert stored.secret.get_secret_value() == value
    assert stored.key == key


def test_its_last_four_and_time_are_stored(store: SecretStore, key: SecretKey) -> None:
    store.put(key, SecretStr(SECRET))
    (entry,) = store.entries(key.project_id)
    assert entry.last_four == "Lm27"
    assert timedelta(0) <= datetime.now(UTC) - entry.stored_at < timedelta(minutes=1)


def test_a_secret_replaces_an_earlier_one(store: SecretStore, key: SecretKey) -> None:
    store.put(key, SecretStr("earlier-0001"))
    store.put(key, SecretStr("later-0002"))
    stored = store.get(key)
    assert stored
    assert stored.secret.get_secret_value() == "later-0002"
    assert [entry.last_four for entry in store.entries(key.project_id)] == ["0002"]


def test_get_returns_nothing_if_nothing_was_put(store: SecretStore, key: SecretKey) -> None:
    assert store.get(key) is None
    assert store.entries(key.project_id) == []


def test_a_secret_can_be_removed_twice(store: SecretStore, key: SecretKey) -> None:
    store.put(key, SecretStr(SECRET))
    store.remove(key)
    store.remove(key)
    assert store.get(key) is None
    assert store.entries(key.project_id) == []


def test_a_missing_secret_can_be_removed(store: SecretStore, key: SecretKey) -> None:
    store.remove(key)
    assert store.get(key) is None


def test_a_removed_secret_can_be_put_again(store: SecretStore, key: SecretKey) -> None:
    store.put(key, SecretStr(SECRET))
    store.remove(key)
    store.put(key, SecretStr(SECRET))
    stored = store.get(key)
    assert stored
    assert stored.secret.get_secret_value() == SECRET


def test_the_current_and_the_next_secret_are_separate(store: SecretStore, key: SecretKey) -> None:
    following = dataclasses.replace(key, which="next")
    store.put(key, SecretStr("current-1"))
    store.put(following, SecretStr("following-2"))
    store.remove(following)
    stored = store.get(key)
    assert stored
    assert stored.secret.get_secret_value() == "current-1"
    assert store.get(following) is None


def test_projects_are_separate(store: SecretStore, key: SecretKey) -> None:
    longer = dataclasses.replace(key, project_id=f"{key.project_id}-2")
    store.put(key, SecretStr("one-0001"))
    store.put(longer, SecretStr("two-0002"))
    assert [entry.last_four for entry in store.entries(key.project_id)] == ["0001"]
    assert [entry.last_four for entry in store.entries(longer.project_id)] == ["0002"]


def test_entries_are_sorted_by_client_and_which(store: SecretStore, project: str) -> None:
    keys = [
        SecretKey(project, "app-a"),
        SecretKey(project, "app-a", "next"),
        SecretKey(project, "app-a-b"),
        SecretKey(project, "app-b", "next"),
    ]
    for key in reversed(keys):
        store.put(key, SecretStr(SECRET))
    assert [entry.key for entry in store.entries(project)] == keys


def test_an_entry_holds_no_secret(store: SecretStore, key: SecretKey) -> None:
    store.put(key, SecretStr(SECRET))
    (entry,) = store.entries(key.project_id)
    assert type(entry) is StoredEntry
    assert SECRET not in repr(entry) + entry.model_dump_json()


def test_a_stored_secret_is_not_shown(store: SecretStore, key: SecretKey) -> None:
    store.put(key, SecretStr(SECRET))
    stored = store.get(key)
    assert stored
    assert SECRET not in repr(stored) + str(stored) + stored.model_dump_json()


def test_a_check_leaves_no_entry(store: SecretStore, project: str) -> None:
    store.check()
    store.check()
    assert store.entries(project) == []


def test_a_location_names_the_client_and_which_but_no_secret(
    store: SecretStore, key: SecretKey
) -> None:
    store.put(key, SecretStr(SECRET))
    location = store.location(key)
    assert key.client_id in location
    assert key.which in location
    assert SECRET not in location


@pytest.mark.parametrize("odd", ["../../up", "a/b", "a.b", "a=b", "ü?#%", ".."])
def test_an_odd_id_is_stored_like_any_other(store: SecretStore, project: str, odd: str) -> None:
    keys = [SecretKey(project, odd), SecretKey(project, "a")]
    for number, key in enumerate(keys):
        store.put(key, SecretStr(f"secret-000{number}"))
    for number, key in enumerate(keys):
        stored = store.get(key)
        assert stored
        assert stored.last_four == f"000{number}"
    assert {entry.client_id for entry in store.entries(project)} == {odd, "a"}


def test_ids_that_differ_by_case_are_two(store: SecretStore, project: str) -> None:
    for number, client_id in enumerate(("App", "app")):
        store.put(SecretKey(project, client_id), SecretStr(f"secret-000{number}"))
    found = {entry.client_id: entry.last_four for entry in store.entries(project)}
    assert found == {"App": "0000", "app": "0001"}


def test_many_threads_use_a_store_at_once(open_store: OpenStore, project: str) -> None:
    stores = [open_store(), open_store()]

    def work(number: int) -> str | None:
        store, key = stores[number % 2], SecretKey(project, f"app-{number:02}")
        store.put(key, SecretStr("earlier"))
        store.put(key, SecretStr(f"secret-{number:04}"))
        if number % 4 == 0:
            store.remove(key)
        stored = store.get(key)
        return None if stored is None else stored.secret.get_secret_value()

    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(work, range(24)))
    assert got == [None if n % 4 == 0 else f"secret-{n:04}" for n in range(24)]
    listed = [entry.client_id for entry in stores[0].entries(project)]
    assert listed == [f"app-{n:02}" for n in range(24) if n % 4]


def test_threads_that_put_one_key_leave_one_of_their_secrets(
    open_store: OpenStore, key: SecretKey
) -> None:
    stores = [open_store(), open_store()]
    values = [f"secret-{number:04}" for number in range(8)]

    def put(number: int) -> None:
        stores[number % 2].check()
        stores[number % 2].put(key, SecretStr(values[number]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    stored = stores[0].get(key)
    assert stored
    assert stored.secret.get_secret_value() in values
    assert [entry.last_four for entry in stores[1].entries(key.project_id)] == [stored.last_four]
