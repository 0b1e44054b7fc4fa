"""Shutdown and start never lose a secret that is being stored."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import anyio
import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from support import (
    CREATE,
    HELLO,
    SERVER,
    announcing,
    begin_a_create,
    lines,
    on_service,
    secrets_command,
    talk,
)

from connected_apps_mcp.sandbox import create_sandbox


@contextmanager
def slow_server(
    where: list[str],
    folder: Path,
    *arguments: str,
    called: threading.Event,
    seconds: float = 0.5,
) -> Iterator[subprocess.Popen[str]]:
    """A server on a slow service that sets `called` at each call."""
    sandbox = create_sandbox(database=where[2])

    async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(seconds)
        await sandbox(scope, receive, send)

    with on_service(announcing(slowly, called), folder, *arguments) as process:
        yield process


@contextmanager
def slow_create(where: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in the middle of a create that takes a while."""
    called = threading.Event()
    with slow_server(where, folder, called=called) as process:
        begin_a_create(process)
        assert called.wait(timeout=20)
        yield process


def assert_stored(where: list[str], folder: Path) -> None:
    (file,) = (folder / "data" / "secrets").glob("*.json")
    assert json.loads(file.read_text())["client_id"] in secrets_command("list", *where).stdout
    assert list((folder / "data" / "journal").iterdir()) == []


SHUTDOWNS = [[signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM], [signal.SIGHUP], []]


@pytest.mark.parametrize("signals", SHUTDOWNS)
def test_a_create_in_flight_is_finished(
    where: list[str], tmp_path: Path, signals: list[signal.Signals]
) -> None:
    with slow_create(where, tmp_path) as process:
        for number in signals:
            process.send_signal(number)
            time.sleep(0.1)
        if not signals and process.stdin:
            process.stdin.close()
        process.wait(timeout=20)
    assert_stored(where, tmp_path)


@pytest.mark.parametrize("signals", SHUTDOWNS[:-1])
def test_a_create_in_flight_over_http_is_finished(
    where: list[str], tmp_path: Path, signals: list[signal.Signals]
) -> None:
    flags = ["serve", "--transport", "sse", "--port", "0"]
    # Longer than an HTTP server that is pressed goes on.
    called = threading.Event()
    with slow_server(where, tmp_path, *flags, called=called, seconds=2) as process:
        assert process.stderr
        url = process.stderr.readline().split()[-1]
        with httpx2.stream("GET", url) as events:
            stream = events.iter_lines()
            endpoint = next(line for line in stream if line.startswith("data: "))
            for message in [*HELLO, CREATE]:
                httpx2.post(
                    url.removesuffix("/sse") + endpoint.removeprefix("data: "), json=message
                )
            assert called.wait(timeout=20)
            for number in signals:
                process.send_signal(number)
                time.sleep(0.1)
            process.wait(timeout=20)
    assert process.returncode == 0
    assert_stored(where, tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_a_signal_during_the_start_takes_effect_after_it(
    where: list[str], tmp_path: Path, count: int
) -> None:
    with slow_create(where, tmp_path) as process:
        process.kill()
    (file,) = (tmp_path / "data" / "journal").glob("[!.]*")
    # Drop the address, as earlier versions did: the service now has another one.
    file.write_text(json.dumps(json.loads(file.read_text()) | {"origin": None}))
    called = threading.Event()
    with slow_server(where, tmp_path, called=called) as process:
        assert called.wait(timeout=20)
        for _ in range(count):
            process.terminate()
            time.sleep(0.1)
        process.wait(timeout=10)
    assert process.returncode == 0


def test_a_full_standard_error_does_not_stop_a_start_with_a_loss(
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


def test_an_ignored_hangup_stays_ignored() -> None:
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


def test_a_cancelled_create_is_finished_at_shutdown(where: list[str], tmp_path: Path) -> None:
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
