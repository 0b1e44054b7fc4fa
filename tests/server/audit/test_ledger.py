"""The files of a log: full disks, crashes, other writers, and what others do to them."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from disks import AS_ROOT, file_size_limit, fill, make_read_only, small_disk
from server.audit.logs import (
    CALL,
    bytes_of,
    events_of,
    files_of,
    lines_of,
    log_in,
    put_back,
    record,
    recording,
    verify,
)
from sizes import sized

from connected_apps_mcp.audit import AuditFailed, AuditLog, Ledger, Outcome
from connected_apps_mcp.audit.reading import Unreadable
from connected_apps_tools.storage.errors import StoreError

pytestmark = pytest.mark.usefixtures("_folders_of_each_system")

FIRST = "audit.000001.jsonl"


def test_everything_is_made_for_its_owner_alone(folder: Path) -> None:
    Ledger(folder).append({"event": "test"})
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == dict.fromkeys([".lock", FIRST, "head.json", "key"], 0o600)


async def test_a_file_that_is_large_enough_is_followed_by_the_next(folder: Path) -> None:
    await record(log_in(folder, max_bytes=1000), 10)
    assert len(files_of(folder)) > 3
    assert all(file.stat().st_size < 1000 + 500 for file in files_of(folder))
    recorded = lines_of(folder)
    assert [line["seq"] for line in recorded] == list(range(1, len(recorded) + 1))
    opened = [line for line in recorded if line["event"] == "opened"]
    assert [line["file"] for line in opened] == list(range(1, len(files_of(folder)) + 1))
    before = {line["seq"]: line["mac"] for line in recorded}
    assert all(line["previous"] == before[line["seq"] - 1] for line in opened[1:])
    assert verify(folder).problems == []


async def test_a_later_process_goes_on_where_an_earlier_one_ended(folder: Path) -> None:
    for _ in range(3):
        await record(log_in(folder))
    report = verify(folder)
    assert (report.files, report.lines, report.problems) == (1, 7, [])


# What is on a disk after a crash.


class Crashed:
    """A log as it was before one more line, and that line."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder = folder
        self.before = bytes_of(folder)
        ledger.append({"event": "intent", "entry": "1", "tool": "delete_app"})
        self.after = bytes_of(folder)

    def put(self, name: str, data: bytes) -> None:
        """Put the log back as it was before the line, but for one file."""
        put_back(self.folder, {**self.before, name: data})


@pytest.fixture
def crashed(folder: Path) -> Crashed:
    """A log of one file, and a line more."""
    ledger = Ledger(folder)
    ledger.append({"event": "intent", "entry": "0", "tool": "delete_app"})
    return Crashed(folder, ledger)


def test_a_line_torn_anywhere_is_no_tampering_and_the_next_goes_after_it(crashed: Crashed) -> None:
    before, after = crashed.before[FIRST], crashed.after[FIRST]
    for size in range(len(before) + 1, len(after) - 1):
        crashed.put(FIRST, after[:size])
        found = verify(crashed.folder)
        assert (found.torn, found.problems) == (1, [])
        Ledger(crashed.folder).append({"event": "next"})
        sealed = verify(crashed.folder)
        assert (sealed.torn, sealed.lines, sealed.problems) == (1, 4, [])
        assert (crashed.folder / FIRST).read_bytes().startswith(after[:size] + b" (torn)\n{")


def test_a_line_without_its_newline_gets_one(crashed: Crashed) -> None:
    crashed.put(FIRST, crashed.after[FIRST][:-1])
    assert verify(crashed.folder).problems == []
    Ledger(crashed.folder).append({"event": "next"})
    assert events_of(crashed.folder) == ["opened", "intent", "intent", "next"]
    assert verify(crashed.folder).problems == []


def test_blocks_that_a_crash_left_unwritten_are_no_tampering(crashed: Crashed) -> None:
    before, after = crashed.before[FIRST], crashed.after[FIRST]
    crashed.put(FIRST, before + bytes(50) + after[len(before) + 50 :])
    assert verify(crashed.folder).problems == []
    Ledger(crashed.folder).append({"event": "next"})
    assert (verify(crashed.folder).torn, verify(crashed.folder).problems) == (1, [])


def test_a_line_that_the_head_does_not_count_yet_is_counted(crashed: Crashed) -> None:
    crashed.put(FIRST, crashed.after[FIRST])
    assert verify(crashed.folder).problems == []
    Ledger(crashed.folder).append({"event": "next"})
    assert events_of(crashed.folder) == ["opened", "intent", "intent", "next"]
    assert verify(crashed.folder).problems == []


def test_a_seal_that_is_itself_torn_anywhere_is_sealed(crashed: Crashed) -> None:
    torn = crashed.after[FIRST][:-20]
    crashed.put(FIRST, torn)
    Ledger(crashed.folder).check()
    sealed = (crashed.folder / FIRST).read_bytes()
    for size in range(len(torn), len(sealed) + 1):
        crashed.put(FIRST, sealed[:size])
        assert verify(crashed.folder).problems == []
        Ledger(crashed.folder).append({"event": "next"})
        assert (verify(crashed.folder).torn, verify(crashed.folder).problems) == (1, [])


THREE = [{"event": "intent", "entry": str(number), "tool": "get_app"} for number in range(3)]


def test_lines_of_one_write_torn_anywhere_are_counted_as_far_as_they_are_whole(
    folder: Path,
) -> None:
    ledger = Ledger(folder)
    ledger.append({"event": "intent", "entry": "0", "tool": "delete_app"})
    before = bytes_of(folder)
    ledger.append(*THREE)
    after = bytes_of(folder)[FIRST]
    for size in range(len(before[FIRST]) + 1, len(after) + 1):
        put_back(folder, {**before, FIRST: after[:size]})
        assert verify(folder).problems == []
        Ledger(folder).append({"event": "next"})
        written = after[:size].count(b"\n") + (after[size : size + 1] == b"\n")
        found = verify(folder)
        assert found.problems == []
        assert found.lines - found.torn == written + 1


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_head_that_lags_by_more_than_one_write_is_tampering(folder: Path, at_once: int) -> None:
    ledger = Ledger(folder)
    ledger.append({"event": "intent", "entry": "0", "tool": "delete_app"})
    head = bytes_of(folder)["head.json"]
    ledger.append(*THREE[:at_once])
    ledger.append(*THREE[:at_once])
    put_back(folder, {**bytes_of(folder), "head.json": head})
    assert verify(folder).problems == ["head.json is older than the last lines."]
    with pytest.raises(StoreError, match="was changed by something else"):
        Ledger(folder).append({"event": "next"})


def test_a_part_of_a_line_after_a_write_that_the_head_does_not_count_is_tampering(
    folder: Path,
) -> None:
    ledger = Ledger(folder)
    ledger.append({"event": "intent", "entry": "0", "tool": "delete_app"})
    head = bytes_of(folder)["head.json"]
    ledger.append(*THREE)
    files = bytes_of(folder)
    put_back(folder, {**files, "head.json": head, FIRST: files[FIRST] + b'{"v":1,'})
    assert verify(folder).problems != []
    with pytest.raises(StoreError, match="was changed by something else"):
        Ledger(folder).append({"event": "next"})


def test_a_file_that_was_started_before_a_crash_is_used(folder: Path) -> None:
    ledger = Ledger(folder, max_bytes=1)
    ledger.append({"event": "intent", "entry": "0", "tool": "delete_app"})
    crash = Crashed(folder, ledger)
    second = "audit.000002.jsonl"
    crash.put(second, crash.after[second].splitlines(keepends=True)[0])
    assert verify(folder).problems == []
    Ledger(folder).append({"event": "next"})
    assert events_of(folder) == ["opened", "intent", "opened", "next"]
    assert verify(folder).problems == []


@pytest.mark.parametrize("left", [[], ["head.json"], ["head.json", "key"]])
def test_a_log_that_a_crash_left_half_made_is_made(folder: Path, left: list[str]) -> None:
    Ledger(folder).check()
    for name in {"head.json", "key"} - set(left):
        (folder / name).unlink()
    Ledger(folder).append({"event": "next"})
    assert verify(folder).problems == []


# What others do to the files of a living log.


def replace_by_older_copy(folder: Path) -> None:
    """Put an earlier state of the whole log there, which is whole in itself."""
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("copy"), folder)


def open_to_others(folder: Path) -> None:
    """Let everybody look into it."""
    folder.chmod(0o755)


def make_unwritable(folder: Path) -> None:
    """Let only root write the file."""
    (folder / FIRST).chmod(0o400)


def replace_by_link(path: Path, target: Path) -> None:
    """Let writes go somewhere else."""
    path.rename(target)
    path.symlink_to(target)


def rotate_elsewhere(folder: Path) -> None:
    """Do what logrotate does by default."""
    (folder / FIRST).rename(folder / f"{FIRST}.1")
    (folder / FIRST).touch(0o600)


def add_a_line(folder: Path) -> None:
    """Write without the key."""
    with (folder / FIRST).open("a") as file:
        file.write("{}\n")


TAKEN: dict[str, Callable[[Path], object]] = {
    "removed": lambda folder: (folder / FIRST).unlink(),
    "renamed": lambda folder: (folder / FIRST).rename(folder / "audit.jsonl.1"),
    "rotated by a logrotate": rotate_elsewhere,
    "emptied": lambda folder: os.truncate(folder / FIRST, 0),
    "shortened": lambda folder: os.truncate(folder / FIRST, 400),
    "its head removed": lambda folder: (folder / "head.json").unlink(),
    "its head emptied": lambda folder: os.truncate(folder / "head.json", 0),
    "its key exchanged": lambda folder: (folder / "key").write_text("k" * 64),
    "a line added": add_a_line,
    "a file added": lambda folder: (folder / "audit.000002.jsonl").write_text("{}\n"),
}


@pytest.mark.parametrize("how", TAKEN)
@pytest.mark.parametrize("process", ["the same process", "a later process"])
async def test_a_log_that_something_else_changed_is_not_written_and_verify_reports_it(
    log: AuditLog, folder: Path, how: str, process: str
) -> None:
    await record(log, 3)
    TAKEN[how](folder)
    left = bytes_of(folder)
    later = log if process == "the same process" else log_in(folder)
    with pytest.raises(AuditFailed, match="changed by something else"):
        await later.intend(CALL)
    assert bytes_of(folder) == left
    assert verify(folder).problems != []


@pytest.mark.parametrize("left", [{"key"}, set()])
async def test_a_log_that_is_gone_is_not_started_again_by_its_writer(
    log: AuditLog, folder: Path, left: set[str]
) -> None:
    await record(log)
    put_back(folder, {name: data for name, data in bytes_of(folder).items() if name in left})
    with pytest.raises(AuditFailed, match="changed by something else"):
        await log.intend(CALL)
    assert files_of(folder) == []
    with pytest.raises(Unreadable):
        verify(folder)


async def test_the_writer_of_a_log_notices_an_earlier_state_of_all_of_it(
    log: AuditLog, folder: Path
) -> None:
    await record(log)
    shutil.copytree(folder, folder.with_name("copy"))
    await record(log)
    replace_by_older_copy(folder)
    with pytest.raises(AuditFailed, match="changed by something else"):
        await log.intend(CALL)


async def test_a_key_that_is_gone_is_not_replaced(log: AuditLog, folder: Path) -> None:
    await record(log)
    files = bytes_of(folder)
    del files["key"]
    put_back(folder, files)
    with pytest.raises(AuditFailed, match="changed by something else"):
        await log_in(folder).intend(CALL)
    assert bytes_of(folder) == files
    with pytest.raises(Unreadable, match="key cannot be read"):
        verify(folder)


async def test_a_folder_that_others_can_open_is_refused(log: AuditLog, folder: Path) -> None:
    await record(log)
    open_to_others(folder)
    with pytest.raises(AuditFailed, match="chmod 700"):
        await log.intend(CALL)


async def test_a_symbolic_link_in_place_of_a_file_is_not_written_through(
    log: AuditLog, folder: Path, tmp_path: Path
) -> None:
    await record(log)
    target = tmp_path / "target"
    replace_by_link(folder / FIRST, target)
    left = bytes_of(folder)
    with pytest.raises(AuditFailed, match="cannot be used"):
        await log.intend(CALL)
    assert bytes_of(folder) == left


# Disks.


async def test_a_disk_that_is_full_anywhere_in_a_line_costs_no_earlier_or_later_line(
    log: AuditLog, folder: Path
) -> None:
    await record(log, 2)
    for room in range(0, 300, 7):
        size = (folder / FIRST).stat().st_size
        with (
            file_size_limit(size + room),
            pytest.raises(AuditFailed, match="File too large"),
        ):
            await log.intend(CALL)
        assert (folder / FIRST).stat().st_size == size
    await record(log)
    report = verify(folder)
    assert (report.lines, report.torn, report.pending, report.problems) == (7, 0, {}, [])


@AS_ROOT
async def test_on_a_full_disk_calls_are_refused_and_the_outcomes_of_others_are_written() -> None:
    with small_disk("64k") as disk:
        folder = disk / "audit"
        log = log_in(folder)
        entry = await log.intend(CALL)
        filler = fill(disk)
        assert await log.outcome(entry, Outcome())
        assert verify(folder).pending == {}
        fill(disk)
        with pytest.raises(AuditFailed, match="No space left"):
            await log.intend(CALL)
        assert verify(folder).problems == []
        filler.unlink()
        (disk / "rest").unlink(missing_ok=True)
        await log.outcome(await log.intend(CALL), Outcome())
        report = verify(folder)
        assert (report.pending, report.problems) == ({}, [])
        assert [line.get("entry") for line in lines_of(folder)][2] == entry.id


@AS_ROOT
async def test_on_a_read_only_disk_calls_are_refused_and_the_log_can_be_verified() -> None:
    with small_disk("64k") as disk:
        log = log_in(disk / "audit")
        await record(log)
        make_read_only(disk)
        with pytest.raises(AuditFailed, match="Read-only"):
            await log.intend(CALL)
        assert verify(disk / "audit").problems == []


async def test_a_read_only_file_is_refused(log: AuditLog, folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere; the read-only disk shows the same")
    await record(log)
    make_unwritable(folder)
    with pytest.raises(AuditFailed, match="Permission denied"):
        await log.intend(CALL)


# Several processes.

PROCESSES = 4
CALLS = 25
KILLS = sized("kills of a writer of the audit log")
STEP_SECONDS = 0.02 / KILLS


def test_several_processes_that_start_at_once_write_one_log(folder: Path) -> None:
    with ExitStack() as running:
        processes = [
            running.enter_context(recording(folder, str(n), CALLS)) for n in range(PROCESSES)
        ]
        entries = [entry for process in processes for entry in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert len(files_of(folder)) > PROCESSES
    recorded = lines_of(folder)
    asked = {
        line["entry"]: line["arguments"]["client_id"] for line in recorded if "arguments" in line
    }
    assert set(asked) == set(entries)
    assert set(asked.values()) == {f"{p}-{n}" for p in range(PROCESSES) for n in range(CALLS)}
    report = verify(folder)
    assert (report.pending, report.torn, report.problems) == ({}, 0, [])


def test_a_log_can_be_verified_while_it_is_written(folder: Path) -> None:
    with recording(folder, "a", CALLS) as one, recording(folder, "b", CALLS) as two:
        assert one.stdout
        assert two.stdout
        seen = [one.stdout.readline(), two.stdout.readline()]
        reports = [verify(folder) for _ in range(20)]
        one.communicate()
        two.communicate()
    assert len(seen) == len(set(seen))
    assert [(report.problems, report.torn) for report in reports] == [([], 0)] * 20


@pytest.mark.series
def test_whatever_a_killed_process_wrote_is_there_and_the_next_goes_on(folder: Path) -> None:
    acknowledged: list[str] = []
    for number in range(KILLS):
        with recording(folder, str(number), 10_000) as process:
            assert process.stdout
            acknowledged.append(process.stdout.readline().strip())
            time.sleep(number * STEP_SECONDS)
            process.kill()
            acknowledged += process.stdout.read().split()
        assert verify(folder).problems == []
    Ledger(folder).append({"event": "next"})
    assert verify(folder).problems == []
    written = b"".join(bytes_of(folder).values()).decode()
    assert len(acknowledged) >= KILLS
    assert [
        entry for entry in acknowledged if f'"event":"intent","entry":"{entry}' not in written
    ] == []


async def test_a_full_disk_during_calls_leaves_none_without_its_outcome() -> None:
    with small_disk("128k") as disk:
        folder = disk / "audit"
        log = log_in(folder)
        entries = [await log.intend(CALL) for _ in range(5)]
        fill(disk)
        assert [await log.outcome(entry, Outcome()) for entry in entries] == [True] * 5
        report = verify(folder)
    assert (report.pending, report.problems) == ({}, [])


@AS_ROOT
async def test_a_call_that_a_full_disk_refused_leaves_no_intent() -> None:
    """The line has room in the last block of its file, and the new head has none."""
    with small_disk("64k") as disk:
        folder = disk / "audit"
        log = log_in(folder)
        await record(log)
        filler = fill(disk)
        for _ in range(3):
            with pytest.raises(AuditFailed, match="No space left"):
                await log.intend(CALL)
        filler.unlink()
        await record(log)
        report = verify(folder)
    assert (report.lines, report.pending, report.problems) == (5, {}, [])


@AS_ROOT
async def test_an_outcome_that_takes_the_place_of_the_reserve_is_written_once() -> None:
    with small_disk("64k") as disk:
        folder = disk / "audit"
        log = log_in(folder)
        entry = await log.intend(CALL)
        fill(disk)
        assert await log.outcome(entry, Outcome())
        recorded = lines_of(folder)
    assert [line["event"] for line in recorded] == ["opened", "intent", "outcome"]
