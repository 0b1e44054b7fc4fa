"""`connected-apps-mcp secrets`, and the way of a secret through whole processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from starlette.types import Receive, Scope, Send
from support import HELLO, SERVER, answer, lines, running, serving, talk

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox


@pytest.fixture
def where(tmp_path: Path) -> list[str]:
    """The flags of one sandbox with one store, for any number of processes."""
    return [
        "--sandbox",
        "--sandbox-db",
        str(tmp_path / "apps.sqlite3"),
        "--secret-store",
        "file",
        "--data-dir",
        str(tmp_path / "data"),
    ]


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVER, "secrets", *arguments],
        text=True,
        check=False,
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )


@pytest.fixture
def full() -> Iterator[TextIO]:
    """A file that takes nothing."""
    with Path("/dev/full").open("w") as full:
        yield full


def served(where: list[str]) -> StdioServerParameters:
    return StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *where])


async def call(where: list[str], tool: str, **arguments: Any) -> dict[str, Any]:
    async with Client(served(where)) as client:
        return answer(await client.call_tool(tool, arguments))


@pytest.fixture
async def app(where: list[str]) -> str:
    """The id of a confidential app, which another process created."""
    created = await call(where, "create_app", client_type="first_party", client_name="Mine")
    return str(created["app"]["client_id"])


@pytest.fixture
def alive(where: list[str]) -> Iterator[Any]:
    """Ask the service which secrets it takes, over a socket of its own."""
    with running("sandbox", "serve", "--port", "0", "--db", where[2]) as process:
        assert process.stdout
        url = [process.stdout.readline() for _ in range(3)][-1].split()[-1]

        def ask(client_id: str, secret: str) -> bool:
            answered = httpx2.post(
                f"{url}/v1/oauth2/introspect", data={"token": "x"}, auth=(client_id, secret)
            )
            return answered.status_code == 200

        yield ask


async def test_from_creation_through_a_rotation_show_prints_what_the_service_takes(
    where: list[str], app: str, alive: Any
) -> None:
    def shown(*which: str) -> str:
        return command("show", app, *which, *where).stdout.strip()

    first = shown()
    assert alive(app, first)
    await call(where, "start_secret_rotation", client_id=app)
    second = shown("--next")
    assert alive(app, first)
    assert alive(app, second)
    assert shown() == first
    await call(where, "complete_secret_rotation", client_id=app)
    assert shown() == second
    assert alive(app, second)
    assert not alive(app, first)
    assert command("show", app, "--next", *where).returncode == 1


async def test_list_shows_no_secret(where: list[str], app: str) -> None:
    secret = command("show", app, *where).stdout.strip()
    listed = command("list", *where)
    assert listed.returncode == 0
    assert app in listed.stdout
    assert f"…{secret[-4:]}" in listed.stdout
    assert secret not in listed.stdout + listed.stderr


@pytest.mark.parametrize("what", ["show", "list"])
async def test_an_output_that_is_full_is_an_error_without_a_traceback(
    where: list[str], app: str, what: str, full: TextIO
) -> None:
    failed = command(what, *([app] if what == "show" else []), *where, stdout=full)
    assert failed.returncode == 1
    assert failed.stderr == "Error: Standard output: No space left on device.\n"


async def test_forget_asks_first(where: list[str], app: str) -> None:
    assert command("forget", app, *where, input="n\n").returncode == 1
    assert command("show", app, *where).returncode == 0
    assert command("forget", app, *where, input="y\n").returncode == 0
    missing = command("show", app, *where)
    assert missing.returncode == 1
    assert "No current secret" in missing.stderr


async def test_run_hands_a_secret_to_a_command_and_prints_nothing(
    where: list[str], app: str
) -> None:
    secret = command("show", app, *where).stdout.strip()
    script = "import os, sys; print(len(os.environ['THE_SECRET'])); sys.exit(7)"
    done = command("run", app, "--as", "THE_SECRET", *where, "--", sys.executable, "-c", script)
    assert (done.stdout, done.stderr, done.returncode) == (f"{len(secret)}\n", "", 7)


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGXFSZ])
async def test_run_leaves_no_signal_ignored(
    where: list[str], app: str, number: signal.Signals
) -> None:
    script = f"kill -{number} $$; echo survived"
    done = command("run", app, "--as", "X", *where, "--", "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("", -number)


async def test_run_needs_a_command_that_exists(where: list[str], app: str) -> None:
    failed = command("run", app, "--as", "X", *where, "--", "no-such-command-here")
    assert failed.returncode == 1
    assert "no-such-command-here" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_folder_that_others_can_read_is_refused(where: list[str], tmp_path: Path) -> None:
    (tmp_path / "data" / "secrets").mkdir(parents=True, mode=0o755)
    (tmp_path / "data" / "secrets").chmod(0o755)
    refused = command("list", *where)
    assert refused.returncode == 1
    assert "chmod 700" in refused.stderr


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        (["--secret-store", "vault"], "VAULT_TOKEN"),
        (["--secret-store", "safe"], "'keyring'"),
        (["--reveal", "sometimes"], "--reveal"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_the_start(setting: list[str], rule: str) -> None:
    refused = subprocess.run(
        [*SERVER, "--sandbox", *setting],
        input="",
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if "VAULT" not in name},
    )
    assert refused.returncode == 2
    assert rule in refused.stderr


CREATE = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "create_app", "arguments": {"client_type": "first_party"}},
}


def begin_a_create(process: subprocess.Popen[str]) -> None:
    """Ask for an app once the server is up, and do not wait for the answer."""
    assert process.stdout
    talk(process, lines(*HELLO))
    process.stdout.readline()
    talk(process, lines(CREATE))


@contextmanager
def slow_server(
    where: list[str],
    folder: Path,
    *arguments: str,
    seconds: float = 0.5,
    called: threading.Event | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A server whose service takes its time for each call, and says when it is called."""
    sandbox = create_sandbox(database=where[2])

    async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
        if called:
            called.set()
        await anyio.sleep(seconds)
        await sandbox(scope, receive, send)

    credentials = {
        "STYTCH_PROJECT_ID": SANDBOX_CREDENTIALS.project_id,
        "STYTCH_SECRET": SANDBOX_CREDENTIALS.secret,
    }
    store = ["--secret-store", "file", "--data-dir", str(folder / "data")]
    with (
        serving(slowly) as url,
        running(*arguments, "--base-url", url, *store, **credentials) as process,
    ):
        yield process


@contextmanager
def slow_create(where: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in the middle of a create that takes a while."""
    with slow_server(where, folder) as process:
        begin_a_create(process)
        time.sleep(0.25)
        yield process


def assert_kept(where: list[str], folder: Path) -> None:
    (kept,) = (folder / "data" / "secrets").glob("*.json")
    assert json.loads(kept.read_text())["client_id"] in command("list", *where).stdout
    assert list((folder / "data" / "journal").iterdir()) == []


ENDINGS = [[signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM], [signal.SIGHUP], []]


@pytest.mark.parametrize("signals", ENDINGS)
def test_a_create_under_way_is_brought_to_its_end(
    where: list[str], tmp_path: Path, signals: list[signal.Signals]
) -> None:
    with slow_create(where, tmp_path) as process:
        for number in signals:
            process.send_signal(number)
            time.sleep(0.1)
        if not signals and process.stdin:
            process.stdin.close()
        process.wait(timeout=20)
    assert_kept(where, tmp_path)


@pytest.mark.parametrize("signals", ENDINGS[:-1])
def test_a_create_under_way_over_http_is_brought_to_its_end(
    where: list[str], tmp_path: Path, signals: list[signal.Signals]
) -> None:
    flags = ["serve", "--transport", "sse", "--port", "0"]
    # Longer than an HTTP server that is pressed goes on.
    with slow_server(where, tmp_path, *flags, seconds=2) as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        with httpx2.stream("GET", url) as events:
            told = events.iter_lines()
            endpoint = next(line for line in told if line.startswith("data: "))
            for message in [*HELLO, CREATE]:
                httpx2.post(
                    url.removesuffix("/sse") + endpoint.removeprefix("data: "), json=message
                )
            time.sleep(0.5)
            for number in signals:
                process.send_signal(number)
                time.sleep(0.1)
            process.wait(timeout=20)
    assert process.returncode == 0
    assert_kept(where, tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_a_signal_during_the_start_is_heeded_after_it(
    where: list[str], tmp_path: Path, count: int
) -> None:
    with slow_create(where, tmp_path) as process:
        process.kill()
    called = threading.Event()
    with slow_server(where, tmp_path, called=called) as process:
        assert called.wait(timeout=20)
        for _ in range(count):
            process.terminate()
            time.sleep(0.1)
        process.wait(timeout=10)
    assert process.returncode == 0


def test_a_loss_that_nobody_can_be_told_does_not_stop_the_start(
    where: list[str], tmp_path: Path, full: TextIO
) -> None:
    journal = tmp_path / "data" / "journal"
    journal.mkdir(parents=True, mode=0o700)
    (journal / "newer").write_text("of a newer version")
    served = subprocess.run(
        [*SERVER, *where],
        input=lines(*HELLO),
        stdout=subprocess.PIPE,
        stderr=full,
        text=True,
        check=True,
    )
    assert "newer" in json.loads(served.stdout)["result"]["instructions"]


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    nohup = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *SERVER, "--sandbox"]
    with subprocess.Popen(
        nohup, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        talk(process, lines(*HELLO))
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        talk(process, lines({"jsonrpc": "2.0", "id": 2, "method": "ping"}))
        assert json.loads(process.stdout.readline())["id"] == 2
        assert process.stdin
        process.stdin.close()


KILLS = 50
STEP_SECONDS = 0.0006
"""The kills are spread over the time that a create takes here, and somewhat beyond."""


def killed_during_a_create(where: list[str], after: float) -> None:
    with running(*where) as process:
        begin_a_create(process)
        time.sleep(after)
        process.kill()


async def test_a_kill_at_any_point_of_a_create_is_harmless_or_reported(where: list[str]) -> None:
    for number in range(KILLS):
        await anyio.to_thread.run_sync(killed_during_a_create, where, number * STEP_SECONDS)
    listed = command("list", *where)
    kept = {line.split()[0] for line in listed.stdout.splitlines()}
    async with Client(served(where)) as client:
        found = answer(await client.call_tool("search_apps", {"limit": 1000}))["apps"]
        told = str(client.instructions)
    lost = {app["client_id"] for app in found} - kept
    assert all(client_id in listed.stderr for client_id in lost)
    assert all(client_id in told for client_id in lost)
    # Some kills came after the call, or nothing was shown.
    assert found


@pytest.mark.parametrize("name", ["", "A=B", "1A", "A B"])
async def test_run_needs_the_name_of_a_variable(where: list[str], name: str) -> None:
    refused = command("run", "app", "--as", name, *where, "--", "true")
    assert refused.returncode == 2
    assert "name of a variable" in refused.stderr


async def test_a_damaged_secret_does_not_hide_what_is_reported(
    where: list[str], app: str, tmp_path: Path
) -> None:
    (tmp_path / "data" / "journal" / "newer").write_text("of a newer version")
    (kept,) = (tmp_path / "data" / "secrets").glob("*.json")
    kept.write_text("{}")
    listed = command("list", *where)
    assert listed.returncode == 1
    assert app
    assert "damaged" in listed.stderr
    assert "newer, which this version cannot read" in listed.stderr


def test_a_cancelled_create_survives_the_usual_end_of_a_server(
    where: list[str], tmp_path: Path
) -> None:
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
    with slow_create(where, tmp_path) as process:
        talk(process, lines(cancel))
        assert process.stdin
        process.stdin.close()
        time.sleep(0.1)
        process.terminate()
        process.wait(timeout=20)
    assert process.returncode == 0
    assert len(list((tmp_path / "data" / "secrets").glob("*.json"))) == 1
