"""A command gets the secret and nothing else, and nothing of it comes back or stays."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from tools.secrets.delivery.commands import HIDING, SECRET, alive, leaving, python, started

from connected_apps_tools.errors import NotDelivered
from connected_apps_tools.secrets.delivery.command import Command

WRITE_INPUT = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
WRITE_SURROUNDINGS = """
    import json, os, sys
    known = {"words": sys.argv, "variables": dict(os.environ), "folder": os.getcwd()}
    if sys.platform == "linux":
        known["files"] = os.listdir("/dev/fd")
        known["of its guard"] = [
            open(f"/proc/{os.getppid()}/{name}").read() for name in ("cmdline", "environ")
        ]
    open(sys.argv[1], "w").write(json.dumps(known))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "processes"
    made.mkdir()
    return made


async def surroundings(tmp_path: Path, **options: object) -> dict[str, dict[str, str]]:
    """What a command knows."""
    await python(WRITE_SURROUNDINGS, str(tmp_path / "known"), **options).run(SECRET)
    known: dict[str, dict[str, str]] = json.loads((tmp_path / "known").read_text())
    return known


async def test_a_command_gets_the_secret_on_standard_input_without_a_line_end(
    tmp_path: Path,
) -> None:
    await python(WRITE_INPUT, str(tmp_path / "input")).run(SECRET)
    assert (tmp_path / "input").read_text() == SECRET


async def test_the_secret_is_neither_in_the_arguments_nor_in_the_variables(tmp_path: Path) -> None:
    assert SECRET not in json.dumps(await surroundings(tmp_path))


async def test_a_command_can_get_the_secret_in_a_variable_and_then_not_on_input(
    tmp_path: Path,
) -> None:
    known = await surroundings(tmp_path, env="CLIENT_SECRET")
    assert known["variables"]["CLIENT_SECRET"] == SECRET
    await python(WRITE_INPUT, str(tmp_path / "input"), env="CLIENT_SECRET").run(SECRET)
    assert (tmp_path / "input").read_text() == ""


async def test_a_command_has_only_the_variables_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYTCH_SECRET", "secret-test-1")
    monkeypatch.setenv("PATHS", "/nowhere")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    known = await surroundings(tmp_path)
    allowed = {"PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"}
    assert {"PATH", "HOME", "LC_ALL"} <= known["variables"].keys() <= allowed


async def test_a_command_has_the_variables_that_the_operator_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "token")
    known = await surroundings(tmp_path, variables=("GH_TOKEN", "NOT_SET"))
    assert known["variables"]["GH_TOKEN"] == "token"
    assert "NOT_SET" not in known["variables"]


@pytest.mark.skipif(sys.platform != "linux", reason="the list of open files is Linux's")
async def test_a_command_has_no_file_of_the_server_open(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.set_inheritable(reads, True)  # noqa: FBT003 - its own
    try:
        known = await surroundings(tmp_path)
    finally:
        os.close(reads)
        os.close(writes)
    assert set(known["files"]) <= {"0", "1", "2", "3"}  # the last one is the list itself


async def test_what_a_command_writes_is_counted() -> None:
    written = "import sys; sys.stdout.write('x' * 1_000); sys.stderr.write('y' * 500)"
    assert await python(written).run(SECRET) == 1_500


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.abort()", f"exit code {128 + signal.SIGABRT}"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code 137"),
        ("import sys; raise ValueError(sys.stdin.read())", "exit code 1"),
        ("import sys; print(sys.stdin.read()); sys.exit(2)", "exit code 2"),
        ("import time; time.sleep(60)", "did not end within 0.5 seconds"),
    ],
)
async def test_a_failure_says_how_the_command_ended_and_nothing_that_it_wrote(
    script: str, how: str
) -> None:
    with pytest.raises(NotDelivered, match=how) as caught:
        await python(script, seconds=0.5 if "sleep" in script else 20).run(SECRET)
    assert SECRET not in str(caught.value)
    assert caught.value.may_have_taken_effect


async def test_a_command_that_cannot_be_started_fails_as_in_a_shell() -> None:
    with pytest.raises(NotDelivered, match="exit code 127"):
        await Command(["/nowhere/gh"], None, (), 20).run(SECRET)


async def test_a_secret_that_no_variable_can_hold_is_not_delivered() -> None:
    with pytest.raises(NotDelivered, match="could not be started"):
        await python("pass", env="CLIENT_SECRET").run("a\0b")


@pytest.mark.parametrize(
    "script",
    [
        "pass",
        "import os; os.close(0)",
        "import os; os.close(0); os.write(1, b'x' * 3_000_000)",
        "import os; os.closerange(0, 3)",
        "import sys; sys.stdin.read(1)",
    ],
)
async def test_a_command_need_not_read_what_it_gets(script: str) -> None:
    await python(script).run(SECRET * 10_000)


# What a command leaves behind.


@pytest.mark.parametrize("way", HIDING)
@pytest.mark.parametrize("end", ["", "sys.exit(3)", "os.abort()"])
async def test_nothing_that_a_command_has_started_is_left(way: str, end: str, folder: Path) -> None:
    command = leaving(way, folder, end)
    if end:
        with pytest.raises(NotDelivered):
            await command.run(SECRET)
    else:
        await command.run(SECRET)
    assert started(folder)
    assert alive(folder) == []


@pytest.mark.parametrize("way", HIDING)
async def test_nothing_is_left_of_a_command_that_hangs(way: str, folder: Path) -> None:
    with pytest.raises(NotDelivered, match="did not end"):
        await leaving(way, folder, "stay()", seconds=2).run(SECRET)
    assert started(folder) == 2
    assert alive(folder) == []


async def test_nothing_is_left_of_many_processes_that_start_others(folder: Path) -> None:
    grow = "\nfor _ in range(4): os.fork()\nif os.fork() == 0: os.setsid(); stay()\nwait_for(16)"
    await leaving("an orphan", folder, grow).run(SECRET)
    assert started(folder) >= 16
    assert alive(folder) == []


async def test_nothing_is_left_where_the_caller_is_cancelled(folder: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leaving("a daemon", folder, "stay()").run, SECRET)
        while started(folder) < 2:  # noqa: ASYNC110 - another process
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert alive(folder) == []


def test_nothing_is_left_where_the_server_is_killed(folder: Path) -> None:
    run = (
        "import anyio, sys; sys.path[:0] = ['tests']; from pathlib import Path; "
        "from tools.secrets.delivery.commands import SECRET, leaving; "
        f"anyio.run(leaving('a daemon', Path({str(folder)!r}), 'stay()').run, SECRET)"
    )
    with subprocess.Popen([sys.executable, "-c", run]) as server:
        while started(folder) < 2 and server.poll() is None:
            time.sleep(0.01)
        server.kill()
    while alive(folder):
        time.sleep(0.01)
    assert started(folder) == 2
