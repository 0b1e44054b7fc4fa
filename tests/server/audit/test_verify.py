"""Every change that somebody makes to a log is found."""

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from server.audit.logs import CALL, Files, bytes_of, files_of, log_in, put_back, record, verify
from sizes import sized

from connected_apps_mcp.audit import AuditLog, Ledger, Outcome, Stream
from connected_apps_mcp.audit.chain import ChainLink
from connected_apps_mcp.audit.reading import Unreadable
from connected_apps_mcp.audit.verify import verify_stream

MANIPULATIONS = sized("manipulated audit logs")
SEED = 20_260_728

Change = Callable[["Forger"], None]


class Forger:
    """Has the files of a log in hand, but not its key."""

    def __init__(self, log: Files, heads: list[bytes], seed: int) -> None:
        self.log = dict(log)
        self.heads = heads
        self.random = random.Random(seed)  # noqa: S311 - to be the same in every run

    def names(self, count: int = 1) -> list[str]:
        """Some of the files with lines."""
        names = sorted(name for name in self.log if name.endswith(".jsonl"))
        return self.random.sample(names, count)

    def lines(self, name: str) -> list[bytes]:
        """The lines of a file."""
        return self.log[name].splitlines(keepends=True)

    def rewrite(self, name: str, lines: list[bytes]) -> None:
        """Put other lines there."""
        self.log[name] = b"".join(lines)

    def edit(self, name: str) -> None:
        """Change one bit."""
        data = bytearray(self.log[name])
        data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        self.log[name] = bytes(data)

    def a_line(self) -> bytes:
        """One of all lines."""
        return self.random.choice(self.lines(*self.names()))

    def forged_line(self) -> bytes:
        """A line that looks as if it belonged there."""
        said, _, mac = self.a_line().rpartition(b'"mac":"')
        said = said.replace(b"delete_app", b"get_app").replace(b"accept", b"decline")
        return said + b'"mac":"' + self.random.randbytes(32).hex().encode() + mac[64:]


def remove_a_line(forger: Forger) -> None:
    (name,) = forger.names()
    lines = forger.lines(name)
    del lines[forger.random.randrange(len(lines))]
    forger.rewrite(name, lines)


def remove_the_last_lines(forger: Forger) -> None:
    name = max(name for name in forger.log if name.endswith(".jsonl"))
    lines = forger.lines(name)
    forger.rewrite(name, lines[: forger.random.randrange(len(lines))])


def cut_a_file_between_lines(forger: Forger) -> None:
    (name,) = forger.names()
    lines = forger.lines(name)
    forger.rewrite(name, lines[: forger.random.randrange(len(lines))])


def cut_a_file_anywhere(forger: Forger) -> None:
    (name,) = forger.names()
    forger.log[name] = forger.log[name][: forger.random.randrange(len(forger.log[name]))]


def swap_two_lines(forger: Forger) -> None:
    (name,) = forger.names()
    lines = forger.lines(name)
    one, two = forger.random.sample(range(len(lines)), 2)
    lines[one], lines[two] = lines[two], lines[one]
    forger.rewrite(name, lines)


def repeat_a_line(forger: Forger) -> None:
    (name,) = forger.names()
    lines = forger.lines(name)
    lines.insert(forger.random.randrange(len(lines) + 1), forger.a_line())
    forger.rewrite(name, lines)


def insert_a_forged_line(forger: Forger) -> None:
    (name,) = forger.names()
    lines = forger.lines(name)
    lines.insert(forger.random.randrange(len(lines) + 1), forger.forged_line())
    forger.rewrite(name, lines)


def exchange_a_line(forger: Forger) -> None:
    (name,) = forger.names()
    lines = forger.lines(name)
    lines[forger.random.randrange(len(lines))] = forger.forged_line()
    forger.rewrite(name, lines)


def move_a_line_to_another_file(forger: Forger) -> None:
    one, two = forger.names(2)
    lines = forger.lines(one)
    moved = lines.pop(forger.random.randrange(len(lines)))
    forger.rewrite(one, lines)
    forger.log[two] += moved


def change_a_bit(forger: Forger) -> None:
    forger.edit(*forger.names())


def remove_a_file(forger: Forger) -> None:
    del forger.log[forger.names()[0]]


def remove_the_last_file(forger: Forger) -> None:
    del forger.log[max(name for name in forger.log if name.endswith(".jsonl"))]


def swap_two_files(forger: Forger) -> None:
    one, two = forger.names(2)
    forger.log[one], forger.log[two] = forger.log[two], forger.log[one]


def copy_a_file_over_another(forger: Forger) -> None:
    one, two = forger.names(2)
    forger.log[one] = forger.log[two]


def empty_a_file(forger: Forger) -> None:
    forger.log[forger.names()[0]] = b""


def add_a_file(forger: Forger) -> None:
    last = max(name for name in forger.log if name.endswith(".jsonl"))
    number = int(last.split(".")[1]) + forger.random.randrange(1, 3)
    forger.log[f"audit.{number:06}.jsonl"] = forger.log[forger.names()[0]]


def change_a_bit_of_the_head(forger: Forger) -> None:
    forger.edit("head.json")


def remove_the_head(forger: Forger) -> None:
    del forger.log["head.json"]


def put_an_older_head(forger: Forger) -> None:
    # The head before the last line is what a crash leaves, and the line is there.
    forger.log["head.json"] = forger.random.choice(forger.heads[:-2])


def change_a_bit_of_the_key(forger: Forger) -> None:
    forger.edit("key")


CHANGES: list[Change] = [
    remove_a_line,
    remove_the_last_lines,
    cut_a_file_between_lines,
    cut_a_file_anywhere,
    swap_two_lines,
    repeat_a_line,
    insert_a_forged_line,
    exchange_a_line,
    move_a_line_to_another_file,
    change_a_bit,
    remove_a_file,
    remove_the_last_file,
    swap_two_files,
    copy_a_file_over_another,
    empty_a_file,
    add_a_file,
    change_a_bit_of_the_head,
    remove_the_head,
    put_an_older_head,
    change_a_bit_of_the_key,
]


def tear(folder: Path) -> None:
    """Leave what an interrupted write leaves."""
    with files_of(folder)[-1].open("ab") as file:
        file.write(b'{"v":1,"seq":')


async def write_some(folder: Path, heads: list[bytes]) -> None:
    """Fill a log with files, with torn lines in two of them, and collect every head."""
    for number in range(16):
        log = log_in(folder, max_bytes=2000)
        if number in {5, 12}:
            tear(folder)
        entry = await log.intend(replace(CALL, arguments={"client_id": f"app-{number}"}))
        heads.append((folder / "head.json").read_bytes())
        await log.outcome(entry, Outcome(request_id=f"request-{number}"))
        heads.append((folder / "head.json").read_bytes())


@pytest.mark.series
def test_each_of_many_manipulations_is_found(folder: Path) -> None:
    heads: list[bytes] = []
    anyio.run(write_some, folder, heads)
    log = bytes_of(folder)
    whole = verify(folder)
    assert (whole.torn, whole.problems) == (2, [])
    assert whole.files > 3
    unseen, done = [], 0
    for seed in range(SEED, SEED + MANIPULATIONS):
        change = CHANGES[seed % len(CHANGES)]
        forger = Forger(log, heads, seed)
        change(forger)
        done += forger.log != log
        put_back(folder, forger.log)
        if not verify(folder).problems:
            unseen.append((seed, change.__name__))
    assert unseen == []
    assert done == MANIPULATIONS
    put_back(folder, log)
    assert verify(folder) == whole


async def test_it_says_where_a_line_is_missing(log: AuditLog, folder: Path) -> None:
    await record(log, 3)
    (file,) = files_of(folder)
    lines = file.read_text().splitlines(keepends=True)
    del lines[3]
    file.write_text("".join(lines))
    assert verify(folder).problems[0] == (
        "audit.000001.jsonl, line 4: expected sequence number 4, unchanged; "
        "found sequence number 5."
    )


async def test_it_says_how_far_a_log_reached_that_was_cut(log: AuditLog, folder: Path) -> None:
    await record(log, 3)
    (file,) = files_of(folder)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:3]))
    assert verify(folder).problems == ["Lines are missing at the end: the log reached line 7."]


async def test_lines_after_a_break_are_still_checked(folder: Path) -> None:
    await record(log_in(folder, max_bytes=1000), 10)
    files = files_of(folder)
    files[1].unlink()
    files[3].write_bytes(files[3].read_bytes().replace(b"accept", b"cancel", 1))
    problems = verify(folder).problems
    assert len(problems) == 2
    assert problems[0] == "audit.000002.jsonl is missing."
    assert problems[1].startswith("audit.000004.jsonl, line ")


async def test_calls_without_an_outcome_are_counted(log: AuditLog, folder: Path) -> None:
    await record(log)
    entry = await log.intend(CALL)
    assert verify(folder).pending == {entry.id: "delete_app"}


async def test_files_that_were_archived_are_not_missed(folder: Path) -> None:
    await record(log_in(folder, max_bytes=1000), 10)
    for file in files_of(folder)[:2]:
        file.unlink()
    assert verify(folder).problems[0] == "audit.000001.jsonl is missing."
    assert verify(folder, first=3).problems == []
    assert verify(folder, first=4).problems == []


async def test_a_remembered_line_is_missed_in_an_earlier_state_that_is_whole(
    log: AuditLog, folder: Path, tmp_path: Path
) -> None:
    await record(log)
    earlier = verify(folder).last
    shutil.copytree(folder, tmp_path / "earlier")
    await record(log)
    later = verify(folder).last
    assert verify(folder, remembered=earlier).problems == []
    assert verify(tmp_path / "earlier").problems == []
    assert verify(tmp_path / "earlier", remembered=later).problems == [
        f"The remembered line {later.seq} is not there."
    ]
    assert verify(folder, remembered=ChainLink(earlier.seq, later.mac)).problems != []


@pytest.mark.parametrize("left", [0, 40])
async def test_a_cut_with_an_older_head_looks_like_a_crash_unless_a_line_is_remembered(
    log: AuditLog, folder: Path, left: int
) -> None:
    await record(log)
    (file,), head = files_of(folder), folder / "head.json"
    older, size = head.read_bytes(), file.stat().st_size
    await record(log)
    later = verify(folder).last
    file.write_bytes(file.read_bytes()[: size + left])
    head.write_bytes(older)
    report = verify(folder)
    assert (report.torn, report.problems) == (bool(left), [])
    assert verify(folder, remembered=later).problems == [
        f"The remembered line {later.seq} is not there."
    ]


async def test_a_copy_can_be_verified_elsewhere(
    log: AuditLog, folder: Path, tmp_path: Path
) -> None:
    await record(log)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / ".lock").unlink()
    (copy / "key").rename(tmp_path / "key")
    copy.chmod(0o755)
    assert verify(copy, tmp_path / "key").problems == []
    assert not (copy / ".lock").exists()


def test_a_log_without_a_line_is_whole(folder: Path) -> None:
    Ledger(folder).check()
    report = verify(folder)
    assert (report.files, report.lines, report.problems) == (0, 0, [])


def test_without_a_log_verify_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="Nothing is recorded yet"):
        verify(tmp_path)
    with pytest.raises(Unreadable, match="Nothing is recorded yet"):
        verify(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(Unreadable, match="Not a directory"):
        verify(tmp_path / "file")


def test_a_log_that_is_held_for_long_cannot_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connected_apps_tools.storage.private_folder import PrivateFolder

    Ledger(folder).check()
    monkeypatch.setattr("connected_apps_mcp.audit.reading.LOCK_SECONDS", 0.05)
    with (
        PrivateFolder(folder).locked(".lock", 0),
        pytest.raises(Unreadable, match="held by another process"),
    ):
        verify(folder)


# What went to standard error.


@pytest.fixture
def collected(key: Path, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What a platform collected of two processes, one after the other."""
    for _ in range(2):
        stream = Stream(key)
        for number in range(4):
            stream.append({"event": "refusal", "tool": f"delete_app_{number}"})
    return [f"2026-07-28T00:00:00Z stderr {line}" for line in capfd.readouterr().err.splitlines()]


def as_bytes(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()


def test_lines_among_others_are_a_chain_for_each_process(collected: list[str], key: Path) -> None:
    collected.insert(3, "WARNING any: other text")
    report = verify_stream(as_bytes(collected), key)
    assert (report.files, report.lines, report.problems) == (2, 10, [])


@pytest.mark.parametrize("at", [1, 2, 3, 6, 7, 8])
def test_a_line_missing_between_others_is_found(collected: list[str], key: Path, at: int) -> None:
    del collected[at]
    assert len(verify_stream(as_bytes(collected), key).problems) == 1


@pytest.mark.parametrize("at", [3, 5, 8, 10])
def test_lines_of_a_process_that_are_repeated_are_found(
    collected: list[str], key: Path, at: int
) -> None:
    repeated = [*collected[:at], *collected[:2], *collected[at:]]
    assert verify_stream(as_bytes(repeated), key).problems == [
        f"After {at} lines: earlier lines are repeated."
    ]


def test_a_changed_line_is_found(collected: list[str], key: Path) -> None:
    collected[4] = collected[4].replace("delete_app", "create_app")
    assert len(verify_stream(as_bytes(collected), key).problems) == 1


def test_other_text_alone_is_no_log(key: Path) -> None:
    with pytest.raises(Unreadable, match="no line of an audit log"):
        verify_stream(b"WARNING\n", key)
