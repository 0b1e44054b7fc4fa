"""One key of a dotenv file is set, and nothing else changes."""

import io
import os
import stat
import subprocess
from pathlib import Path

import dotenv
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connected_apps_tools.secrets.delivery.dotenv import problem_of, set_key, with_key
from connected_apps_tools.storage.owned_files import FileRefused

KEY = "CLIENT_SECRET"
VALUE = "dotenv-canary_Zx81kQ0pLm27"


def written(text: str, value: str = VALUE) -> str:
    return with_key(text.encode(), KEY, value).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"{KEY}={VALUE}\n"),
        ("A=1", f"A=1\n{KEY}={VALUE}\n"),
        ("A=1\r\n", f"A=1\r\n{KEY}={VALUE}\r\n"),
        ("A=1\r\nB=2", f"A=1\r\nB=2\r\n{KEY}={VALUE}\r\n"),
        (f"{KEY}=old", f"{KEY}={VALUE}"),
        (f"A=1\n{KEY}=old\nB=2\n", f"A=1\n{KEY}={VALUE}\nB=2\n"),
        (f"{KEY}=old\r\nB=2\n", f"{KEY}={VALUE}\r\nB=2\n"),
        (f"{KEY}=\nB=2\n", f"{KEY}={VALUE}\nB=2\n"),
        (f"  export {KEY} = 'old' # a comment\n", f"  export {KEY} = {VALUE}\n"),
        (f'{KEY}="old"\n', f"{KEY}={VALUE}\n"),
        (f"# {KEY}=old\n", f"# {KEY}=old\n{KEY}={VALUE}\n"),
        (f"MY_{KEY}=1\n{KEY}_2=2\n", f"MY_{KEY}=1\n{KEY}_2=2\n{KEY}={VALUE}\n"),
        (f"\ufeff{KEY}=old\n", f"\ufeff{KEY}={VALUE}\n"),
        (f'A="one\ntwo"\n{KEY}=old\n', f'A="one\ntwo"\n{KEY}={VALUE}\n'),
        (f"A=it's\n{KEY}=old\nB=it's\n", f"A=it's\n{KEY}={VALUE}\nB=it's\n"),
        (f'A="unclosed\n{KEY}=old\n', f'A="unclosed\n{KEY}={VALUE}\n'),
        (f'A="C:\\dir\\"\n{KEY}=old\n', f'A="C:\\dir\\"\n{KEY}={VALUE}\n'),
    ],
)
def test_only_the_value_of_the_key_changes(before: str, after: str) -> None:
    assert written(before) == after


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (f"{KEY}=1\n{KEY}=2\n", "more than once"),
        (f'A="one\n{KEY}=two\nthree"\n', "read differently"),
        (f"{KEY}='one\ntwo'\n", "read differently"),
        (f'A="one\\"\n{KEY}=two\nB="three"\n', "read differently"),
        (f"{KEY}\n", "read differently"),
        (f"{KEY}: old\n", "read differently"),
        (f"{KEY}+=old\n", "read differently"),
        (f"'{KEY}'=old\n", "read differently"),
        (f"{KEY}=old\nexport {KEY}\n", "more than once"),
        ("A=\0\n", "NUL"),
        (f"A=1\r{KEY}=2\r", "odd line ends"),
    ],
)
def test_a_file_that_programs_read_differently_is_refused(before: str, why: str) -> None:
    with pytest.raises(FileRefused, match=why):
        written(before)


@pytest.mark.parametrize("value", ["it's", "a\nb", "a\\b", "$HOME", "`id`", "é", "", "a\0b"])
def test_a_value_that_programs_read_differently_is_refused(value: str) -> None:
    with pytest.raises(FileRefused, match="read differently"):
        written("", value)


VALUES = st.text("aZ09_-./+:@%,= #\"!&()*;<>?[]^{}|~'$\\`", min_size=1, max_size=20)


@given(value=VALUES)
def test_a_library_and_a_shell_read_the_value_that_was_written(value: str) -> None:
    try:
        text = written("", value)
    except FileRefused:
        return
    assert dotenv.dotenv_values(stream=io.StringIO(text))[KEY] == value
    shell = subprocess.run(
        ["/bin/sh", "-c", f'{text}printf %s "${KEY}"'], capture_output=True, check=True
    )
    assert shell.stdout.decode() == value


LINES = st.sampled_from(
    [
        "A=1",
        "A=",
        'B="x"',
        "B='x y' # c",
        'C="one',
        "two",
        'three"',
        "D='",
        "'",
        "E=`",
        'F="a\\"',
        f"{KEY}=old",
        f'{KEY}="old"',
        f"export {KEY}=old",
        f"{KEY} = old",
        f"{KEY}:old",
        f"# {KEY}=old",
        f'G="{KEY}=',
        f"MY_{KEY}=x",
        KEY,
        "",
        "   ",
        "\t#",
        "no assignment",
        "\ufeff",
        "é=ü",
        "x=y=z",
    ]
)
FILES = st.lists(
    st.tuples(LINES | st.text(max_size=8), st.sampled_from(["\n", "\n", "\r\n", ""])), max_size=8
).map(lambda lines: "".join(line + end for line, end in lines))


@given(text=FILES)
@example(f'{KEY}="\n"')
def test_an_odd_file_is_refused_or_reads_as_before_but_for_the_key(text: str) -> None:
    try:
        after = written(text)
    except FileRefused:
        return
    was, now = (
        dotenv.dotenv_values(stream=io.StringIO(each), interpolate=False) for each in (text, after)
    )
    assert now.pop(KEY) == VALUE
    was.pop(KEY, None)
    assert was == now
    assert written(after) == after


@given(text=FILES)
def test_all_lines_but_one_stay_byte_for_byte(text: str) -> None:
    before = text.encode().splitlines(keepends=True)
    try:
        after = with_key(text.encode(), KEY, VALUE).splitlines(keepends=True)
    except FileRefused:
        return
    if len(after) > len(before):
        assert [line.rstrip(b"\r\n") for line in after[:-1]] == [
            line.rstrip(b"\r\n") for line in before
        ]
        assert after[: len(before) - 1] == before[:-1]
    else:
        assert sum(one != other for one, other in zip(before, after, strict=True)) <= 1


# The file.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A dotenv file."""
    path = tmp_path / ".env"
    path.write_text(f"{KEY}=old\n")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    set_key(tmp_path / ".env", KEY, VALUE)
    assert (mode(tmp_path / ".env"), (tmp_path / ".env").read_text()) == (0o600, f"{KEY}={VALUE}\n")


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o644, 0o660])
def test_a_file_keeps_its_permissions(path: Path, permissions: int) -> None:
    path.chmod(permissions)
    set_key(path, KEY, VALUE)
    assert (mode(path), path.read_text()) == (permissions, f"{KEY}={VALUE}\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_a_file_keeps_its_group(path: Path) -> None:
    os.chown(path, -1, 4242)
    path.chmod(0o640)
    set_key(path, KEY, VALUE)
    assert (path.stat().st_gid, mode(path)) == (4242, 0o640)


def test_nothing_is_left_beside_the_file(path: Path) -> None:
    set_key(path, KEY, VALUE)
    assert [each.name for each in path.parent.iterdir()] == [".env"]


def test_a_link_of_the_user_stays_and_its_file_is_replaced(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    set_key(link, KEY, VALUE)
    assert (link.is_symlink(), path.read_text()) == (True, f"{KEY}={VALUE}\n")


def test_a_file_that_is_refused_is_as_it_was(path: Path) -> None:
    path.chmod(0o400)
    assert "read-only" in (problem_of(path, KEY) or "")
    with pytest.raises(FileRefused, match="read-only"):
        set_key(path, KEY, VALUE)
    assert path.read_text() == f"{KEY}=old\n"


def test_a_key_that_can_be_set_has_no_problem_and_nothing_is_changed(path: Path) -> None:
    before = path.stat()
    assert problem_of(path, KEY) is None
    assert path.stat() == before


@pytest.mark.parametrize("name", ["nowhere/.env", "folder", "link to nothing"])
def test_what_is_no_file_is_a_problem(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link to nothing").symlink_to(tmp_path / "nothing")
    assert problem_of(tmp_path / name, KEY)
    with pytest.raises(FileRefused):
        set_key(tmp_path / name, KEY, VALUE)
