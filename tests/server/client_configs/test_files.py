"""Configuration files are replaced whole, and only if they are what was read."""

import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disks import file_size_limit

from connected_apps_mcp.client_configs.files import read_config, replace_config
from connected_apps_tools.storage.owned_files import FileRefused

OLD, NEW = '{"a": 1}\r\n', '{"a": 1, "ours": {}}\r\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the old text."""
    path = tmp_path / "config.json"
    path.write_bytes(OLD.encode())
    return path


def names(path: Path) -> list[str]:
    """The names of the files beside one, and its own."""
    return sorted(each.name for each in path.parent.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_text_is_read_with_its_line_breaks(path: Path) -> None:
    assert read_config(path) == OLD


def test_a_missing_file_has_no_text(tmp_path: Path) -> None:
    assert read_config(tmp_path / "missing" / "config.json") == ""


def test_a_replaced_file_has_the_new_text(path: Path) -> None:
    replace_config(path, OLD, NEW)
    assert path.read_bytes() == NEW.encode()


@pytest.mark.parametrize("permissions", [0o600, 0o644, 0o660])
def test_a_replaced_file_keeps_its_permissions(path: Path, permissions: int) -> None:
    path.chmod(permissions)
    replace_config(path, OLD, NEW)
    assert mode(path) == permissions


def test_a_backup_has_the_old_text_for_the_owner_only(path: Path) -> None:
    path.chmod(0o644)
    backup = replace_config(path, OLD, NEW)
    assert backup
    assert (backup.parent, backup.read_bytes(), mode(backup)) == (path.parent, OLD.encode(), 0o600)


def test_a_replacement_leaves_only_the_file_and_its_backup(path: Path) -> None:
    replace_config(path, OLD, NEW)
    assert names(path) == ["config.json", "config.json.before-connected-apps-1"]


def test_a_text_that_stays_writes_nothing(path: Path) -> None:
    before = path.stat()
    assert replace_config(path, OLD, OLD) is None
    assert (path.stat(), names(path)) == (before, ["config.json"])


def test_a_backup_of_another_text_stays(path: Path) -> None:
    first = replace_config(path, OLD, NEW)
    second = replace_config(path, NEW, OLD)
    assert first
    assert second
    assert (first.read_bytes(), second.read_bytes()) == (OLD.encode(), NEW.encode())


def test_a_backup_of_the_same_text_is_used_again(path: Path) -> None:
    first = replace_config(path, OLD, NEW)
    replace_config(path, NEW, OLD)
    assert replace_config(path, OLD, NEW) == first


def test_a_link_in_the_place_of_a_backup_is_left_alone(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(OLD.encode())
    path.with_name(f"{path.name}.before-connected-apps-1").symlink_to(other)
    backup = replace_config(path, OLD, NEW)
    assert backup
    assert backup.name.endswith("-2")


def test_a_new_file_and_its_folder_are_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "config.json"
    assert replace_config(path, "", NEW) is None
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_a_file_that_was_not_there_goes_again(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    replace_config(path, "", NEW)
    replace_config(path, NEW, "")
    assert not path.exists()


def test_a_file_that_was_empty_is_empty_again(path: Path) -> None:
    path.write_bytes(b"")
    replace_config(path, "", NEW)
    replace_config(path, NEW, "")
    assert path.read_bytes() == b""


def test_a_link_of_the_user_stays_and_its_file_is_replaced(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "home" / "config.json"
    link.parent.mkdir()
    link.symlink_to("../config.json")
    replace_config(link, OLD, NEW)
    assert (link.is_symlink(), path.read_bytes()) == (True, NEW.encode())


def test_a_path_in_a_linked_folder_is_followed(path: Path, tmp_path: Path) -> None:
    folder = tmp_path.with_name(f"{tmp_path.name}-link")
    folder.symlink_to(tmp_path)
    replace_config(folder / path.name, OLD, NEW)
    assert path.read_bytes() == NEW.encode()


def test_a_disk_that_is_full_leaves_the_file_as_it_is(path: Path) -> None:
    with (
        file_size_limit(4),
        pytest.raises(FileRefused, match=r"File too large\. It is unchanged\."),
    ):
        replace_config(path, OLD, NEW)
    assert (path.read_bytes(), names(path)) == (OLD.encode(), ["config.json"])


def test_a_disk_that_has_room_for_the_backup_only_leaves_the_file_as_it_is(path: Path) -> None:
    with file_size_limit(len(OLD)), pytest.raises(FileRefused, match="File too large"):
        replace_config(path, OLD, NEW)
    assert path.read_bytes() == OLD.encode()
    assert names(path) == ["config.json", "config.json.before-connected-apps-1"]


def _append(path: Path) -> None:
    path.write_bytes(OLD.encode() + b" ")


def _write_half(path: Path) -> None:
    path.write_bytes(OLD.encode()[:4])


def _write_anew(path: Path) -> None:
    draft = path.with_name("draft")
    draft.write_bytes(b"{}")
    draft.replace(path)


def _remove(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _become_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [_append, _write_half, _write_anew, _remove, _empty, _become_a_link, _become_a_folder]

Change = Callable[[Path], None]


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_has_changed_since_it_was_read_is_left_alone(
    path: Path, change: Change
) -> None:
    text = read_config(path)
    change(path)
    before = names(path)
    with pytest.raises(FileRefused):
        replace_config(path, text, NEW)
    assert names(path) == before


class _Moment:
    """Does something once, at the next event of the interpreter that is right."""

    def __init__(self) -> None:
        self.act: Callable[[str, object], bool] | None = None
        sys.addaudithook(self._happened)

    def _happened(self, event: str, values: tuple[object, ...]) -> None:
        act, self.act = self.act, None
        if act and not act(event, values[0] if values else None):
            self.act = act

    @contextmanager
    def when(self, event: str, ending: str, do: Callable[[], None]) -> Iterator[None]:
        """Do something when a file with this ending is about to be opened, for example."""

        def act(seen: str, name: object) -> bool:
            right = seen == event and str(name).endswith(ending)
            if right:
                do()
            return right

        self.act = act
        try:
            yield
            assert self.act is None, "the moment never came"
        finally:
            self.act = None


MOMENT = _Moment()


@pytest.mark.parametrize("change", [_append, _write_half, _write_anew])
def test_a_file_that_is_being_written_is_not_read(path: Path, change: Change) -> None:
    with (
        MOMENT.when("open", "config.json", lambda: change(path)),
        pytest.raises(FileRefused, match="being written right now"),
    ):
        read_config(path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_its_replacement_is_written_is_left_alone(
    path: Path, change: Change
) -> None:
    with (
        MOMENT.when("open", ".draft", lambda: change(path)),
        pytest.raises(FileRefused),
    ):
        replace_config(path, OLD, NEW)
    assert not [name for name in names(path) if name.endswith(".draft")]
    assert not path.is_file() or path.read_bytes() != NEW.encode()


def test_a_file_that_appears_while_a_new_one_is_written_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with (
        MOMENT.when("open", ".draft", lambda: _append(path)),
        pytest.raises(FileRefused, match="has just changed"),
    ):
        replace_config(path, "", NEW)
    assert path.read_bytes() == OLD.encode() + b" "


def test_a_file_that_changes_before_it_goes_is_left_alone(path: Path) -> None:
    with (
        MOMENT.when("open", "-connected-apps-1", lambda: _append(path)),
        pytest.raises(FileRefused, match="has just changed"),
    ):
        replace_config(path, OLD, "")
    assert path.read_bytes() == OLD.encode() + b" "
