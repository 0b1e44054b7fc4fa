"""Messages for missing folders and output that cannot be written."""

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


@pytest.fixture
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HOME nor an entry in the list of users."""

    def unknown(_uid: int) -> NoReturn:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("_no_home")
@pytest.mark.parametrize(
    "command", [["serve"], ["--read-only"], ["secrets", "list"], ["audit", "tail"], ["approve"]]
)
def test_without_a_home_folder_the_error_gives_a_way_out(command: list[str]) -> None:
    refused = CliRunner().invoke(main, command, env=REAL)
    assert refused.exit_code == 2
    assert "No home folder" in refused.stderr
    assert "Set HOME, or give --data-dir." in refused.stderr


@pytest.mark.usefixtures("_no_home")
def test_without_a_home_folder_a_data_folder_can_be_given(tmp_path: Path) -> None:
    listed = CliRunner().invoke(main, ["secrets", "list", "--data-dir", str(tmp_path)], env=REAL)
    assert listed.exit_code == 0


def test_a_missing_temporary_folder_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/tmp")
    refused = CliRunner().invoke(main, ["--sandbox"])
    assert refused.exit_code == 2
    assert "Cannot create a temporary folder" in refused.stderr
    assert "TMPDIR" in refused.stderr


UNWRITABLE = "/proc"
"""A home folder in which even root cannot create a file."""


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVER, *arguments],
        input="",
        env=os.environ | REAL | {"HOME": UNWRITABLE},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_read_only_server_starts_without_a_writable_home_folder() -> None:
    started = start("--read-only")
    assert started.returncode == 0
    (warning,) = started.stderr.splitlines()
    assert "Refused calls will not be recorded" in warning


def test_a_server_that_can_write_does_not_start_there() -> None:
    refused = start()
    assert refused.returncode == 2
    assert "--audit-log: The audit log cannot be written" in refused.stderr


@pytest.mark.parametrize(
    "command",
    [["--help"], ["demo"], ["sandbox", "serve", "--port", "0"], ["policy", "check", "--policy"]],
)
def test_a_full_output_is_reported(command: list[str], full: TextIO, tmp_path: Path) -> None:
    if command[-1] == "--policy":
        (tmp_path / "policy.toml").touch()
        command = [*command, str(tmp_path / "policy.toml")]
    failed = subprocess.run(
        [*SERVER, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
    )
    assert failed.returncode == 1
    assert failed.stderr == "Error: Standard output: No space left on device.\n"


def test_a_demo_ends_quietly_when_its_output_is_closed() -> None:
    with subprocess.Popen(
        [*SERVER, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
