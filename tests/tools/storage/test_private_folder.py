"""A folder of small files for one user, and the store of files in it."""

import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disks import AS_ROOT, file_size_limit, fill, make_read_only, small_disk
from pydantic import SecretStr
from tools.secrets.stores.backends import SECRET, assert_unseen

from connected_apps_tools.secrets.stores import DamagedSecret, PartlyListed, SecretKey
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import STALE_SECONDS, PrivateFolder

pytestmark = pytest.mark.usefixtures("_folders_of_each_system")

KEY = SecretKey("project-test-1", "connected-app-test-1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the folder is to be."""
    return tmp_path / "data" / "secrets"


@pytest.fixture
def folder(path: Path) -> PrivateFolder:
    """A folder."""
    return PrivateFolder(path)


def test_folder_and_files_are_made_for_their_owner_alone(folder: PrivateFolder, path: Path) -> None:
    folder.write("name", "text")
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "name").stat().st_mode & 0o777 == 0o600


def test_a_file_is_read_as_it_was_written(folder: PrivateFolder) -> None:
    folder.write("name", "text ü")
    assert folder.read("name") == "text ü"
    assert folder.read("other") is None


def test_names_are_sorted_and_leave_out_hidden_files(folder: PrivateFolder) -> None:
    for name in ("b", "a", ".hidden"):
        folder.write(name, "")
    assert folder.names() == ["a", "b"]


def test_looking_makes_no_folder(folder: PrivateFolder, path: Path) -> None:
    assert folder.names() == []
    assert folder.read("name") is None
    folder.remove("name")
    assert not path.exists()


def test_a_place_where_no_folder_can_be_is_no_empty_folder(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    with pytest.raises(StoreError, match="cannot be used"):
        PrivateFolder(path / "below").names()


def test_a_check_leaves_nothing(folder: PrivateFolder, path: Path) -> None:
    folder.check()
    assert list(path.iterdir()) == []


def test_a_symbolic_link_is_refused(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(StoreError, match=re.escape(str(link))):
        PrivateFolder(link).write("name", "text")
    assert list(path.iterdir()) == []


def test_a_file_that_is_a_symbolic_link_is_not_followed(
    folder: PrivateFolder, path: Path, tmp_path: Path
) -> None:
    folder.check()
    (tmp_path / "target").write_text("theirs")
    (path / "name").symlink_to(tmp_path / "target")
    with pytest.raises(StoreError):
        folder.read("name")
    folder.write("name", "ours")
    assert (tmp_path / "target").read_text() == "theirs"
    assert folder.read("name") == "ours"


@pytest.mark.parametrize("mode", [0o750, 0o720, 0o710, 0o704, 0o702, 0o701, 0o777])
def test_a_folder_open_to_others_is_refused(folder: PrivateFolder, path: Path, mode: int) -> None:
    folder.write("name", "text")
    path.chmod(mode)
    with pytest.raises(StoreError, match="chmod 700"):
        folder.read("name")
    with pytest.raises(StoreError, match="chmod 700"):
        folder.check()


@AS_ROOT
def test_a_folder_of_another_user_is_refused(folder: PrivateFolder, path: Path) -> None:
    folder.write("name", "text")
    os.chown(path, 12345, -1)
    with pytest.raises(StoreError, match="belongs to another user"):
        folder.read("name")


def test_a_path_that_is_a_file_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        PrivateFolder(path).check()


def test_a_damaged_file_is_an_error_that_does_not_quote_it(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileStore(path)
    store.check()
    file = path / KEY.file_name
    for damaged in (b"\xff" + SECRET.encode(), SECRET.encode(), f'["{SECRET}"]'.encode()):
        file.write_bytes(damaged)
        with pytest.raises(DamagedSecret, match=KEY.client_id) as caught:
            store.get(KEY)
        assert_unseen(caught.value, caplog)


def test_a_damaged_file_hides_no_other(path: Path) -> None:
    store, other = FileStore(path), dataclasses.replace(KEY, client_id="other")
    store.put(other, SecretStr(SECRET))
    (path / KEY.file_name).write_text("")
    with pytest.raises(PartlyListed, match=KEY.client_id) as caught:
        store.entries(KEY.project_id)
    assert [entry.key for entry in caught.value.entries] == [other]
    store.remove(KEY)
    assert [entry.key for entry in store.entries(KEY.project_id)] == [other]


def test_names_of_files_differ_by_more_than_case() -> None:
    names = {SecretKey("project-test-1", client_id).file_name for client_id in ("aa", "aA", "AA")}
    assert len({name.lower() for name in names}) == 3
    assert {key and key.client_id for key in map(SecretKey.of_file_name, names)} == {
        "aa",
        "aA",
        "AA",
    }


def test_a_file_with_the_name_that_an_earlier_version_gave_it_stays_in_use(path: Path) -> None:
    store, key = FileStore(path), dataclasses.replace(KEY, client_id="Odd")
    store.put(key, SecretStr("earlier"))
    (path / key.file_name).rename(path / key.earlier_file_name)
    store.put(key, SecretStr("later"))
    assert [file.name for file in path.iterdir()] == [key.earlier_file_name]
    stored = store.get(key)
    assert stored
    assert stored.secret.get_secret_value() == "later"
    assert [entry.key for entry in store.entries(KEY.project_id)] == [key]
    store.remove(key)
    assert store.get(key) is None


def test_stale_drafts_are_removed_and_fresh_ones_are_not(folder: PrivateFolder, path: Path) -> None:
    folder.check()
    long_ago = time.time() - STALE_SECONDS - 60
    for name, modified in [(".a.draft", long_ago), (".b.draft", time.time()), ("c", long_ago)]:
        (path / name).touch()
        os.utime(path / name, (modified, modified))
    folder.check()
    assert sorted(file.name for file in path.iterdir()) == [".b.draft", "c"]


def test_a_write_that_fails_leaves_the_earlier_file_and_no_draft(
    folder: PrivateFolder, path: Path
) -> None:
    folder.write("name", "earlier")
    with pytest.raises(UnicodeEncodeError):
        folder.write("name", "\udc80")
    assert folder.read("name") == "earlier"
    assert [file.name for file in path.iterdir()] == ["name"]


WRITES = """
import sys
from pathlib import Path
from connected_apps_tools.storage.private_folder import PrivateFolder
folder, mark, times = PrivateFolder(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for _ in range(times):
    folder.write("name", mark * 5000)
    print(flush=True)
"""


@contextmanager
def writing(path: Path, mark: str, times: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes a file again and again."""
    command = [sys.executable, "-c", WRITES, str(path), mark, str(times)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        yield process


def test_a_file_is_whole_whenever_its_writer_is_killed(folder: PrivateFolder, path: Path) -> None:
    folder.write("name", "0" * 5000)
    for number in range(5):
        with writing(path, str(number), 1_000_000) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(number / 1000)
            process.kill()
        text = folder.read("name")
        assert text is not None
        assert text in {mark * 5000 for mark in "01234"}


def test_several_processes_write_at_once(folder: PrivateFolder, path: Path) -> None:
    with writing(path, "a", 60) as one, writing(path, "b", 60) as two:
        seen = set()
        while one.poll() is None or two.poll() is None:
            seen.add(folder.read("name"))
        assert (one.wait(), two.wait()) == (0, 0)
    assert seen <= {None, "a" * 5000, "b" * 5000}
    assert [file.name for file in path.iterdir()] == ["name"]


def assert_unwritable(store: FileStore, caplog: pytest.LogCaptureFixture, reason: str) -> None:
    """Nothing can be put, and what was put earlier is still there."""
    for question in (store.check, lambda: store.put(KEY, SecretStr(SECRET * 2000))):
        with pytest.raises(StoreError, match=reason) as caught:
            question()
        assert_unseen(caught.value, caplog)
    stored = store.get(KEY)
    assert stored
    assert stored.secret.get_secret_value() == "earlier"


@AS_ROOT
def test_a_full_disk_costs_no_earlier_secret(caplog: pytest.LogCaptureFixture) -> None:
    with small_disk("64k") as disk:
        store = FileStore(disk / "secrets")
        store.put(KEY, SecretStr("earlier"))
        fill(disk)
        with pytest.raises(StoreError, match="No space left") as caught:
            store.put(KEY, SecretStr(SECRET * 2000))
        assert_unseen(caught.value, caplog)
        stored = store.get(KEY)
        assert stored
        assert stored.secret.get_secret_value() == "earlier"
        assert [file.name for file in (disk / "secrets").iterdir()] == [KEY.file_name]


@AS_ROOT
def test_a_read_only_disk_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with small_disk("64k") as disk:
        store = FileStore(disk / "secrets")
        store.put(KEY, SecretStr("earlier"))
        make_read_only(disk)
        assert_unwritable(store, caplog, "Read-only")


def test_a_write_over_the_limit_costs_no_earlier_secret(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileStore(path)
    store.put(KEY, SecretStr("earlier"))
    with (
        file_size_limit(1024),
        pytest.raises(StoreError, match="File too large") as caught,
    ):
        store.put(KEY, SecretStr(SECRET * 2000))
    assert_unseen(caught.value, caplog)
    stored = store.get(KEY)
    assert stored
    assert stored.secret.get_secret_value() == "earlier"


def test_a_folder_without_write_permission_is_an_error(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere; the read-only disk shows the same")
    store = FileStore(path)
    store.put(KEY, SecretStr("earlier"))
    path.chmod(0o500)
    assert_unwritable(store, caplog, "Permission denied")


def test_what_is_appended_comes_after_what_is_there(folder: PrivateFolder) -> None:
    folder.write("name", "one\n")
    folder.append("name", b"two\n")
    assert folder.read("name") == "one\ntwo\n"
    assert folder.read_bytes("name", 4) == b"two\n"


def test_nothing_is_appended_to_a_file_that_is_not_there(folder: PrivateFolder, path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        folder.append("name", b"text")
    assert folder.read_bytes("name") is None
    assert list(path.iterdir()) == []


def test_an_append_that_fails_halfway_leaves_no_part(folder: PrivateFolder) -> None:
    folder.write("name", "earlier")
    with file_size_limit(10), pytest.raises(StoreError, match="File too large"):
        folder.append("name", b"later")
    assert folder.read("name") == "earlier"


def test_a_wait_for_a_lock_ends(folder: PrivateFolder) -> None:
    with (
        folder.locked(".lock", 1),
        pytest.raises(StoreError, match="held by another process"),
        folder.locked(".lock", 0.01),
    ):
        pass
    with folder.locked(".lock", 0):
        assert folder.try_lock(".lock") is None


def test_a_folder_that_others_can_open_while_its_lock_is_waited_for_is_refused(
    folder: PrivateFolder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with folder.locked(".lock", 1):
        monkeypatch.setattr(time, "sleep", lambda _: path.chmod(0o755))
        with pytest.raises(StoreError, match="chmod 700"), folder.locked(".lock", 1):
            pass


def test_no_file_stays_open(folder: PrivateFolder) -> None:
    opened = Path("/proc/self/fd")
    if not opened.exists():
        pytest.skip("open files are listed on Linux only")
    before = len(list(opened.iterdir()))
    with folder.locked(".lock", 1) as held:
        held.write("name", "text")
        held.append("name", b"more")
        assert folder.try_lock(".lock") is None
        assert held.create("name", "other") is False
        assert held.read("name") == "textmore"
        with pytest.raises(StoreError):
            held.append("missing", b"")
    assert len(list(opened.iterdir())) == before


def test_a_file_that_is_created_on_a_full_disk_is_there_whole_or_not_at_all(path: Path) -> None:
    folder = PrivateFolder(path)
    folder.write("other", "")
    with file_size_limit(4), pytest.raises(StoreError):
        folder.create("name", "longer than four")
    assert [each.name for each in path.iterdir()] == ["other"]
    assert folder.create("name", "whole")
