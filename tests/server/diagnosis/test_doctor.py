"""`connected-apps-mcp doctor` finds what is wrong, and nothing where all is well."""

import json
import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import anyio
import pytest
from click.testing import CliRunner
from support import SERVER

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.diagnosis.catalogue import CHECKS, diagnose
from connected_apps_mcp.diagnosis.check import Check, Machine, blocking
from connected_apps_mcp.diagnosis.machine import machine_with
from connected_apps_mcp.sandbox import create_sandbox

from .faults import CANARY, FAULTS, Planting, keep_in_profile, record_some
from .machines import SECRET, Desk, examine, healthy_desk

STATES = {"ok", "warning", "broken"}


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("SSL_CERT_", "VAULT_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)  # away from the configurations of a project
    with healthy_desk(tmp_path) as desk:
        yield desk


def files_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in a folder: its mode, and its contents if it is a file."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


def test_where_all_is_well_every_line_is_green(desk: Desk) -> None:
    report = examine(desk)
    assert report.about("warning", "broken") == set()
    assert report.code == 0


FILES = {"secret-store": "file"}

WELL: dict[str, dict[str, str]] = {
    "a sandbox in memory": {"sandbox": ""},
    "a sandbox in a new file": {
        "sandbox": "",
        "sandbox-db": "PATH/apps.sqlite3",
        **FILES,
    },
    "a sandbox in a file": {"sandbox": "", "sandbox-db": "PATH/used.sqlite3", **FILES},
    "an audit log on standard error": {"audit-log": "-"},
    "an audit log in a folder of its own": {"audit-log": "PATH/audit"},
    "no store": {"secret-store": "none"},
    "a policy": {"policy": "PATH/policy.toml"},
    "a server over HTTP": {"transport": "http", "port": "0"},
    "a folder that was used before": {"data-dir": "PATH/used"},
}


@pytest.mark.parametrize("name", WELL)
def test_what_an_operator_may_choose_is_green_too(name: str, desk: Desk) -> None:
    (desk.folder / "policy.toml").write_text('reveal = "never"')
    create_sandbox(database=desk.folder / "used.sqlite3")
    (desk.folder / "used").mkdir(mode=0o700)
    anyio.run(record_some, desk.folder / "used" / "audit")
    if "sandbox" in WELL[name]:
        desk.flags.clear()
    desk.flags |= {
        flag: value.replace("PATH", str(desk.folder)) for flag, value in WELL[name].items()
    }
    report = examine(desk)
    assert report.about("warning", "broken") == set(), report.text


def test_the_credentials_may_be_those_of_a_profile(desk: Desk) -> None:
    keep_in_profile(desk, "default")
    report = examine(desk)
    assert report.about("warning", "broken") == set()
    assert "from profile default" in report.text


def test_without_a_home_folder_the_doctor_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_uid: int) -> NoReturn:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    del desk.flags["data-dir"]
    report = examine(desk)
    assert report.code == 1
    assert {"data folder", "clients"} <= report.about("broken")
    assert "Set HOME" in report.remedies()


def test_a_path_that_the_system_refuses_to_look_at_is_found(desk: Desk) -> None:
    desk.flags["data-dir"] = str(desk.data / ("x" * 300))
    report = examine(desk)
    assert report.about("broken") == {"secret store"}
    assert "unexpectedly" not in report.text


async def test_a_check_that_takes_too_long_or_fails_does_not_end_the_others() -> None:
    async def hang(_machine: Machine) -> NoReturn:
        await anyio.sleep_forever()
        raise AssertionError

    async def fail(_machine: Machine) -> NoReturn:
        raise RuntimeError(CANARY)

    def fail_in_a_thread(_machine: Machine) -> NoReturn:
        raise RuntimeError(CANARY)

    checks = [
        Check("slow", hang, seconds=0.01),
        Check("failing", fail),
        Check("blocking", blocking(fail_in_a_thread)),
        *(check for check in CHECKS if check.name == "python"),
    ]
    found = await diagnose(machine_with({"sandbox": True}), checks)
    assert [result.state for _, result in found] == ["warning", "broken", "broken", "ok"]
    assert "did not end within 0.01 seconds" in found[0][1].text
    assert CANARY not in str(found)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_the_check_that_it_concerns(
    name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = FAULTS[name]
    with ExitStack() as stack:
        fault.plant(Planting(desk, stack, monkeypatch))
        report = examine(desk)
    assert report.about("warning", "broken") == fault.checks
    assert report.about(fault.state) == fault.checks
    assert re.search(fault.remedy, report.remedies())
    assert report.code == (1 if fault.state == "broken" else 0)
    assert not {secret for secret in (SECRET, CANARY) if secret in report.text}


def test_there_are_forty_faults_and_more() -> None:
    assert len(FAULTS) > 40


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_changed(name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        FAULTS[name].plant(Planting(desk, stack, monkeypatch))
        before = files_in(desk.folder)
        examine(desk)
        assert files_in(desk.folder) == before


def test_every_result_that_is_not_ok_has_a_remedy(desk: Desk) -> None:
    desk.flags["deadline"] = "soon"
    for each in examine(desk).checks:
        assert each.keys() == {"check", "state", "text", "remedy"}
        assert each["state"] in STATES
        assert bool(each["remedy"]) == (each["state"] != "ok")


def test_the_text_says_the_same_as_the_json(desk: Desk) -> None:
    desk.flags["deadline"] = "soon"
    text = CliRunner().invoke(main, ["doctor", *desk.words], env=desk.environment).stdout
    for each in examine(desk).checks:
        assert each["text"] in text
        assert (each["remedy"] or "") in text


def test_the_json_is_the_same_twice(desk: Desk) -> None:
    desk.data.mkdir(mode=0o700)
    desk.flags["toolsets"] = "apps"
    first, second = examine(desk).checks, examine(desk).checks
    stable = [each for each in first if each["check"] != "disk"]
    assert stable == [each for each in second if each["check"] != "disk"]


def test_the_lines_are_in_the_order_of_the_catalogue(desk: Desk) -> None:
    names = [check.name for check in CHECKS]
    shown = [each["check"] for each in examine(desk).checks]
    assert shown == sorted(shown, key=names.index)


def test_a_setting_is_shown_with_its_source(desk: Desk) -> None:
    desk.flags["toolsets"] = "apps"
    desk.environment["CONNECTED_APPS_MCP_REVEAL"] = "never"
    shown = [each["text"] for each in examine(desk).checks if each["check"] == "settings"]
    assert "toolsets comes from --toolsets." in shown
    assert "reveal comes from CONNECTED_APPS_MCP_REVEAL." in shown


def test_a_terminal_that_knows_only_ascii_gets_ascii(desk: Desk) -> None:
    done = subprocess.run(
        [*SERVER, "doctor", *desk.words],
        env=os.environ | desk.environment | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"\nok python " in done.stdout
    assert done.stdout.endswith(b"\nAll is well.\n")
    assert done.stderr == b""


def test_without_a_standard_output_the_exit_code_says_it(desk: Desk) -> None:
    closed = ["/bin/sh", "-c", '"$@" >&-', "sh", *SERVER, "doctor", *desk.words]
    done = subprocess.run(
        closed, env=os.environ | desk.environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_process_that_finds_something_broken_exits_with_one(desk: Desk) -> None:
    done = subprocess.run(
        [*SERVER, "doctor", "--json", *desk.words, "--deadline", "soon"],
        env=os.environ | desk.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["broken"] == 1
