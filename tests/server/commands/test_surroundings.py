"""What is said where the system lacks a folder, or takes no output."""

import os
import pwd
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn, TextIO

import pytest
from click.testing import CliRunner
from support import REAL, SERVER

from connected_apps_mcp.commands.cli import main

pytestmark = pytest.mark.usefixtures("_logging_as_before")


@pytest.fixture
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have neither HOME nor an entry in the list of users."""

    def unknown(_uid: int) -> NoReturn:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("_no_home")
@pytest.mark.parametrize(
    "command", [["serve"], ["--read-only"], ["secrets", "list"], ["audit", "tail"], ["approve"]]
)
def test_a_user_without_a_home_folder_learns_what_to_set(command: list[str]) -> None:
    refused = CliRunner().invoke(main, command, env=REAL)
    assert refused.exit_code == 2
    assert "No home folder" in refused.stderr
    assert "Set HOME, or give --data-dir." in refused.stderr


@pytest.mark.usefixtures("_no_home")
def test_a_user_without_a_home_folder_can_name_another(tmp_path: Path) -> None:
    listed = CliRunner().invoke(main, ["secrets", "list", "--data-dir", str(tmp_path)], env=REAL)
    assert listed.exit_code == 0


def test_a_system_without_a_temporary_folder_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/tmp")
    refused = CliRunner().invoke(main, ["--sandbox"])
    assert refused.exit_code == 2
    assert "Cannot create a temporary folder" in refused.stderr
    assert "TMPDIR" in refused.stderr


UNWRITABLE = "/proc"
"""A home folder in which even root can make nothing."""


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVER, *arguments],
        input="",
        env=os.environ | REAL | {"HOME": UNWRITABLE},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_read_only_server_starts_where_the_home_folder_cannot_be_written() -> None:
    started = start("--read-only")
    assert started.returncode == 0
    (warning,) = started.stderr.splitlines()
    assert "Refused calls will not be recorded" in warning


def test_a_server_that_can_change_something_does_not_start_there() -> None:
    refused = start()
    assert refused.returncode == 2
    assert "--audit-log: The audit log cannot be written" in refused.stderr


@pytest.mark.parametrize(
    "command",
    [["--help"], ["demo"], ["sandbox", "serve", "--port", "0"], ["policy", "check", "--policy"]],
)
def test_an_output_that_is_full_is_said_to_be_full(
    command: list[str], full: TextIO, tmp_path: Path
) -> None:
    if command[-1] == "--policy":
        (tmp_path / "policy.toml").touch()
        command = [*command, str(tmp_path / "policy.toml")]
    failed = subprocess.run(
        [*SERVER, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
    )
    assert failed.returncode == 1
    assert failed.stderr == "Error: Standard output: No space left on device.\n"


def test_a_demo_whose_reader_goes_away_ends_in_silence() -> None:
    with subprocess.Popen(
        [*SERVER, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
