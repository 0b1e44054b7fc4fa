"""The doctor starts the entry of each client as the client does, and stops it."""

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from support import SERVER

from connected_apps_mcp.client_configs.clients import CLIENTS, Client
from connected_apps_mcp.client_configs.documents import with_entry
from connected_apps_mcp.client_configs.entries import Entry, environment_of
from connected_apps_mcp.client_configs.installing import Place
from connected_apps_mcp.diagnosis.catalogue import CHECKS, diagnose
from connected_apps_mcp.diagnosis.check import Result
from connected_apps_mcp.diagnosis.entries import (
    FoundEntry,
    Launch,
    UnreadableConfiguration,
    known_entries,
)
from connected_apps_mcp.diagnosis.machine import machine_with
from connected_apps_tools.text.redaction import REDACTOR

from .faults import CANARY

CHECK = [check for check in CHECKS if check.name == "clients"]


@pytest.fixture(autouse=True)
def _in_no_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


INSTALL = re.compile(r"connected-apps-mcp install cursor\b")


def entry(*command: str, **environment: str) -> FoundEntry:
    """An entry with this command line."""
    program, *arguments = command
    file = Path("/home/me/.cursor/mcp.json")
    launch = Launch(program, arguments, environment)
    return FoundEntry("Cursor", ["cursor"], file, "connected-apps", launch)


def python(program: str) -> FoundEntry:
    """An entry that runs a program in Python."""
    return entry(sys.executable, "-c", program)


async def examine(
    *found: FoundEntry | UnreadableConfiguration, seconds: float = 20.0
) -> Sequence[Result]:
    machine = replace(machine_with({"sandbox": True}), entries=lambda: found, start_seconds=seconds)
    return [result for _, result in await diagnose(machine, CHECK)]


async def test_an_entry_that_works_says_how_many_tools_it_lists() -> None:
    (result,) = await examine(entry(*SERVER, "--sandbox", "--tools", "get_app"))
    assert result.state == "ok"
    assert result.text.endswith("works. Tools: 1.")


async def test_each_entry_has_a_line_in_their_order() -> None:
    first, second = await examine(entry(*SERVER, "--sandbox"), entry("/nowhere/connected-apps-mcp"))
    assert (first.state, second.state) == ("ok", "broken")


async def test_the_same_entry_in_two_clients_is_started_once(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    counting = python(f"open({str(starts)!r}, 'a').write('.')")
    results = await examine(counting, replace(counting, client="Zed"))
    assert [result.state for result in results] == ["broken", "broken"]
    assert "Zed" in results[1].text
    assert starts.read_text() == "."


async def test_a_command_that_is_not_there_is_to_be_installed_anew() -> None:
    (result,) = await examine(entry("/nowhere/connected-apps-mcp"))
    assert result.state == "broken"
    assert "/nowhere/connected-apps-mcp" in result.text
    assert INSTALL.search(result.remedy)


async def test_what_a_server_says_before_it_ends_is_shown() -> None:
    (result,) = await examine(entry(*SERVER, "--toolsets", "nothing", "--sandbox"))
    assert result.state == "broken"
    assert "unknown toolset nothing" in result.text
    assert INSTALL.search(result.remedy)


async def test_what_it_says_is_printable_and_holds_no_secret_of_the_entry() -> None:
    said = f"\\x1b[31m {CANARY} \\u202e"
    program = f"import sys; sys.exit('{said}')"
    ends = entry(sys.executable, "-c", program, STYTCH_SECRET=CANARY)
    holds, fails = await examine(ends)
    assert (holds.state, fails.state) == ("warning", "broken")
    assert CANARY not in REDACTOR.redact(fails.text)
    assert fails.text.isprintable()


@pytest.mark.parametrize(
    "program",
    ["import time; time.sleep(60)", "print('Hello', flush=True); input(); input(); input()"],
)
async def test_a_program_that_does_not_speak_mcp_is_reported(program: str) -> None:
    (result,) = await examine(python(program), seconds=0.5)
    assert result.state == "broken"
    assert INSTALL.search(result.remedy)


async def test_its_whole_process_group_ends(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reads = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    program = f"""
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "60"], stdout=open({str(pipe)!r}, "w"))
print("started", file=open({str(pipe)!r}, "w"))
time.sleep(60)
"""
    await examine(python(program), seconds=2.0)
    assert os.read(reads, 100) == b"started\n"
    with anyio.fail_after(20):
        await anyio.wait_readable(reads)
    assert os.read(reads, 100) == b""  # nobody is left who could write
    os.close(reads)


async def test_a_secret_in_an_entry_is_to_be_replaced_by_a_profile() -> None:
    warned, works = await examine(entry(*SERVER, "--sandbox", STYTCH_SECRET=CANARY))
    assert (warned.state, works.state) == ("warning", "ok")
    assert "STYTCH_SECRET in plain text" in warned.text
    assert re.search(r"login, then .*install cursor", warned.remedy)
    assert CANARY not in warned.text + warned.remedy


async def test_a_secret_among_the_words_of_a_command_is_found_too() -> None:
    command = f"exit; STYTCH_SECRET={CANARY} connected-apps-mcp"
    warned, fails = await examine(entry("sh", "-c", command))
    assert "a secret in plain text" in warned.text
    assert CANARY not in f"{warned} {fails}"


async def test_a_placeholder_that_the_client_fills_in_is_no_secret() -> None:
    results = await examine(entry(*SERVER, "--sandbox", STYTCH_SECRET="${env:STYTCH_SECRET}"))
    assert [result.state for result in results] == ["ok"]


async def test_the_variables_of_this_shell_do_not_make_an_entry_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "CONNECTED_APPS_MCP_SANDBOX", "true")
    (result,) = await examine(entry(*SERVER))
    assert result.state == "broken"
    assert "STYTCH_PROJECT_ID is not set" in result.text


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_the_entry_of_every_client_is_found_as_it_was_installed(client: Client) -> None:
    given = Entry("connected-apps-live", (*SERVER, "--profile", "live", "--read-only"))
    place = Place.of(client, "user")
    place.file.parent.mkdir(parents=True, exist_ok=True)
    place.file.write_text(
        with_entry(client.format, "", (*client.path, given.name), client.shape(given))
    )
    (found,) = known_entries()
    assert isinstance(found, FoundEntry)
    assert (found.client, found.name, found.file) == (client.title, given.name, place.file)
    assert found.launch == Launch(given.program, given.arguments, {})
    assert found.install == [client.key, "--scope", "user", "--profile", "live"]


async def test_the_entry_of_a_project_is_not_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = {"command": "sh", "args": ["-c", f"touch {started}", "connected-apps-mcp"]}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"connected-apps": command}}))
    (result,) = await examine(*known_entries())
    assert (result.state, started.exists()) == ("ok", False)
    assert "is not started here: others may have written that file" in result.text


async def test_in_a_folder_that_is_gone_the_doctor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (_, result), *_ = await diagnose(machine_with({"sandbox": True}), CHECK)
    assert (result.state, result.text) == ("broken", "This folder is gone.")
    assert "in a folder that is there" in result.remedy


def cursor(text: str) -> Path:
    """The configuration of Cursor, with this text."""
    file = Path.home() / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text(text)
    return file


def test_the_variables_of_an_entry_are_read_whatever_their_name() -> None:
    for key in ("env", "envs", "environment"):
        assert environment_of({"command": "x", key: {"A": "b", "C": 1}}) == {"A": "b"}
    assert environment_of({"command": "x", "env": "A=b"}) == environment_of("x") == {}


def test_entries_of_others_are_left_alone() -> None:
    cursor('{"mcpServers": {"other": {"command": "other-mcp", "args": []}}}')
    assert list(known_entries()) == []


def test_a_damaged_configuration_is_reported_if_it_names_this_server() -> None:
    file = cursor('{"mcpServers": {"connected-apps": {"command": "connected-apps-mcp"')
    (found,) = known_entries()
    assert isinstance(found, UnreadableConfiguration)
    assert str(file) in found.why
    file.write_text('{"mcpServers": {"other": ')
    assert list(known_entries()) == []


async def test_a_configuration_that_cannot_be_read_is_a_warning() -> None:
    (result,) = await examine(UnreadableConfiguration("Zed", "settings.json, line 3: not JSON"))
    assert result.state == "warning"
    assert "Zed: settings.json, line 3" in result.text
