"""`connected-apps-mcp audit`, and the settings for the location of the log."""

import os
import re
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner, Result
from server.audit.logs import CALL, files_of, log_in, record, verify

from connected_apps_mcp.audit import AuditLog, Outcome, Stream
from connected_apps_mcp.callers import Caller
from connected_apps_mcp.commands.audit import readable
from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.settings.loading import read
from connected_apps_mcp.settings.settings import Settings, SettingsError
from connected_apps_mcp.wiring import open_audit
from connected_apps_tools.storage.records import FolderState

FOLDERS = FolderState(Path())
"""Where the log is in none of them."""


def run(*arguments: str, typed: bytes = b"", **environment: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments], input=typed, env=environment)


@pytest.fixture
def at(folder: Path) -> list[str]:
    """The flags for a log with one call."""
    anyio.run(record, log_in(folder))
    return ["--audit-log", str(folder)]


def test_help_names_the_commands_and_the_exit_codes() -> None:
    named = re.findall(r"^  (\w+)", run("--help").stdout.partition("Commands:")[2], re.MULTILINE)
    assert sorted(named) == ["export", "tail", "verify"]
    shown = " ".join(run("verify", "--help").stdout.split())
    assert "Exit code 0: the log is intact. 1: it was tampered with. 2: it cannot be read." in shown


def test_verify_needs_no_credentials_and_reports_an_intact_log(at: list[str], folder: Path) -> None:
    done = run("verify", *at)
    assert done.exit_code == 0
    last = verify(folder).last
    assert done.stdout.splitlines() == [
        f"The audit log in {folder}",
        "3 lines in 1 files.",
        "The chain is intact.",
        f"Last line: 3:{last.mac}",
    ]


def test_verify_reports_how_a_log_was_tampered_with(at: list[str], folder: Path) -> None:
    files_of(folder)[0].unlink()
    done = run("verify", *at)
    assert done.exit_code == 1
    assert "TAMPERED: audit.000001.jsonl is missing." in done.stdout
    assert "intact" not in done.stdout


def test_verify_reports_a_torn_end_as_a_crash_or_a_cut(at: list[str], folder: Path) -> None:
    anyio.run(log_in(folder).intend, CALL)
    with files_of(folder)[0].open("a") as file:
        file.write('{"v":1,')
    done = run("verify", *at)
    assert done.exit_code == 0
    assert "1 torn lines, as a crash leaves them. Later lines may have been cut off" in done.stdout
    assert "check with --remembered" in done.stdout
    assert "1 calls without an outcome" in done.stdout


def test_verify_without_a_log_fails(tmp_path: Path) -> None:
    done = run("verify", "--audit-log", str(tmp_path / "none"))
    assert done.exit_code == 2
    assert "Nothing is recorded yet" in done.stderr


def test_verify_accepts_the_last_line_of_an_earlier_run(at: list[str]) -> None:
    last = run("verify", *at).stdout.split()[-1]
    assert run("verify", *at, "--remembered", last).exit_code == 0
    other = run("verify", *at, "--remembered", f"9:{'0' * 64}")
    assert other.exit_code == 1
    assert "The remembered line 9 is not there." in other.stdout


@pytest.mark.parametrize("text", ["", "3", "0:" + "0" * 64, "3:xyz"])
def test_a_malformed_last_line_is_refused(at: list[str], text: str) -> None:
    refused = run("verify", *at, "--remembered", text)
    assert refused.exit_code == 2
    assert "printed as the last line" in refused.stderr


def test_verify_starts_at_the_given_first_file(folder: Path) -> None:
    anyio.run(record, log_in(folder, max_bytes=1000), 5)
    files_of(folder)[0].unlink()
    assert run("verify", "--audit-log", str(folder)).exit_code == 1
    assert run("verify", "--audit-log", str(folder), "--first", "2").exit_code == 0


def test_verify_reads_a_log_from_standard_input(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    anyio.run(record, AuditLog(Stream(key)), 2)
    written = capfd.readouterr().err
    flags = ["verify", "--audit-log", "-", "--audit-key-file", str(key)]
    assert run(*flags, typed=written.encode()).exit_code == 0
    changed = run(*flags, typed=written.replace("accept", "cancel", 1).encode())
    assert changed.exit_code == 1
    keyless = run("verify", "--audit-log", "-", typed=written.encode())
    assert keyless.exit_code == 2
    assert "--audit-key-file" in keyless.stderr


def test_tail_shows_the_last_calls_readably(at: list[str], folder: Path) -> None:
    shown = run("tail", *at)
    assert shown.exit_code == 0
    opened, asked, ended = shown.stdout.splitlines()
    assert opened.endswith("opened   file 1")
    assert "  delete_app  on project-test-1 by operator  with Claude 1.2  human: accept" in asked
    assert asked.endswith('  client_id="connected-app-test-1"')
    assert "  delete_app  ok  request-1" in ended
    assert asked.split()[3] == ended.split()[3]
    assert folder.exists()


def test_tail_names_the_folder_that_it_looked_in(at: list[str], folder: Path) -> None:
    assert run("tail", *at).stderr == f"The audit log in {folder}\n"


def test_a_log_without_a_call_says_that_nothing_is_recorded_yet(folder: Path) -> None:
    """As a server leaves it that changed nothing."""
    anyio.run(log_in(folder).check)
    looked, checked = (run(each, "--audit-log", str(folder)) for each in ("tail", "verify"))
    assert (looked.exit_code, checked.exit_code) == (0, 0)
    assert looked.stderr == f"Nothing is recorded yet in {folder}.\n"
    assert checked.stdout == f"The audit log in {folder}\nNothing is recorded yet.\n"


def test_tail_shows_refusals_failures_and_callers(folder: Path) -> None:
    async def make() -> None:
        log = log_in(folder)
        caller = Caller(subject="user-1", client_id="agent")
        await log.refused(replace(CALL, caller=caller, software=None, answer=None), "Live project.")
        failed = Outcome("NoAnswer", may_have_taken_effect=True, revealed="a-secret-1234")
        await log.outcome(await log.intend(CALL), failed)

    anyio.run(make)
    _, refused, _, ended = run("tail", "--audit-log", str(folder)).stdout.splitlines()
    assert 'by user-1 through agent  refused: "Live project."' in refused
    assert "failed: NoAnswer  may have taken effect  showed …1234" in ended


def test_tail_shows_the_requested_number_of_lines_across_files(folder: Path) -> None:
    anyio.run(record, log_in(folder, max_bytes=1000), 8)
    shown = run("tail", "-n", "9", "--audit-log", str(folder)).stdout.splitlines()
    last = verify(folder).last.seq
    assert [int(line.split()[1]) for line in shown] == list(range(last - 8, last + 1))


def test_tail_marks_a_torn_line(at: list[str], folder: Path) -> None:
    with files_of(folder)[0].open("a") as file:
        file.write('{"v":1,')
    anyio.run(record, log_in(folder))
    shown = run("tail", *at).stdout.splitlines()
    assert shown[3] == '(incomplete line) {"v":1, (torn)'
    assert "bytes left by a crash" in shown[4]


def test_export_writes_the_lines_of_all_files_as_they_are(folder: Path) -> None:
    anyio.run(record, log_in(folder, max_bytes=1000), 5)
    assert len(files_of(folder)) > 1
    exported = run("export", "--audit-log", str(folder)).stdout_bytes
    assert exported == b"".join(file.read_bytes() for file in files_of(folder))


HOSTILE_REFUSAL = (
    b'{"time":"","seq":1,"event":"refusal","tool":"x","entry":"","project_id":"\\r\\n",'
    b'"caller":{"user":"\\u001b[1m"},"arguments":{"\\u001b]0;":"\\u001b[31m\\u2028\\u202e"},'
    b'"reason":"\\u0000\\u0007"}'
)


@pytest.mark.parametrize(
    "line",
    [
        b"\x1b[2J\xc2\x9b31m\xff\xe2\x80\xae",
        b'{"time":"\\u001b[2J","seq":"\\u202e","event":"opened","file":"\\u009b"}',
        HOSTILE_REFUSAL,
        b'{"time":"","seq":1,"event":"intent"}',
        b"[]",
        b"[" * 100_000,
    ],
)
def test_any_line_is_shown_as_one_printable_line(line: bytes) -> None:
    shown = readable(line)
    assert shown.isprintable()
    assert len(shown) < 3000


def test_by_default_the_log_is_in_the_users_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Settings().audit_folder == tmp_path / "connected-apps-mcp" / "audit"


def test_with_a_data_folder_the_log_is_in_it(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).audit_folder == tmp_path / "audit"
    named = Settings(data_dir=tmp_path, audit_log=tmp_path / "log")
    assert named.audit_folder == tmp_path / "log"


def test_with_an_in_memory_sandbox_the_log_is_removed_with_the_server() -> None:
    settings = Settings(sandbox=True)

    async def serve() -> Path:
        async with open_audit(settings, FOLDERS) as log:
            await record(log)
            assert verify(Path(log.place)).lines == 3
        return Path(log.place)

    assert settings.audit_folder is None
    assert not anyio.run(serve).exists()


def test_a_removed_log_cannot_be_shown() -> None:
    done = run("tail", CONNECTED_APPS_MCP_SANDBOX="1")
    assert done.exit_code == 2
    assert "give its folder with --audit-log" in done.stderr


async def test_the_settings_determine_how_the_log_is_written(tmp_path: Path) -> None:
    key = tmp_path / "key"
    os.close(os.open(key, os.O_CREAT, 0o600))
    os.truncate(key, 0)
    settings = read(
        audit_log=str(tmp_path / "log"), audit_max_bytes="1000", audit_key_file=str(key)
    )
    with pytest.raises(SettingsError, match=r"--audit-log: .* holds no key"):
        async with open_audit(settings, FOLDERS):
            pass
    settings = read(audit_log=str(tmp_path / "log"), audit_max_bytes="1000")
    async with open_audit(settings, FOLDERS) as log:
        await record(log, 5)
    assert len(files_of(tmp_path / "log")) > 1


async def test_the_log_may_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    async with open_audit(read(audit_log="-"), FOLDERS) as log:
        await record(log)
    assert capfd.readouterr().err.count("\n") == 3


@pytest.fixture
def open_to_others(folder: Path) -> Path:
    """A folder that everybody can read."""
    folder.mkdir()
    folder.chmod(0o755)
    return folder


async def test_a_folder_that_others_can_open_is_refused_at_the_start(open_to_others: Path) -> None:
    with pytest.raises(SettingsError, match=r"--audit-log: .*chmod 700"):
        async with open_audit(Settings(audit_log=open_to_others), FOLDERS):
            pass


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        ({"audit_log": ""}, "--audit-log must name a folder"),
        ({"audit_max_bytes": "999"}, "--audit-max-bytes.*greater than or equal to 1000"),
    ],
)
def test_an_invalid_setting_is_refused(flags: dict[str, str], rule: str) -> None:
    with pytest.raises(SettingsError, match=rule):
        read(**flags)
