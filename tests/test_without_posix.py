"""The program on a system that has only what Windows has too, as far as Linux can show it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import HELLO, lines

SCRIPT = [sys.executable, str(Path(__file__).with_name("without_posix.py"))]

CREATE = {
    "jsonrpc": "2.0",
    "id": "create",
    "method": "tools/call",
    "params": {
        "name": "create_app",
        "arguments": {"client_name": "ü", "client_type": "first_party"},
    },
}


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program, started."""
    command = [*SCRIPT, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_every_module_is_imported() -> None:
    with started("--import-all") as process:
        output, errors = process.communicate(timeout=60)
    assert errors == ""
    assert {"connected_apps_mcp.wiring", "connected_apps_tools.storage.by_path"} <= set(
        output.split()
    )


def test_the_server_serves_stores_and_records(tmp_path: Path) -> None:
    flags = ["--sandbox", "--sandbox-db", str(tmp_path / "apps"), "--data-dir", str(tmp_path)]
    with started(*flags, "--secret-store", "file") as process:
        output, errors = process.communicate(lines(*HELLO, CREATE), timeout=60)
    assert errors == ""
    assert process.returncode == 0
    answers = {answer["id"]: answer for answer in map(json.loads, output.splitlines())}
    assert answers["create"]["result"]["structuredContent"]["client_secret"]["kept_in"]
    assert list((tmp_path / "secrets").iterdir())
    with started("audit", "verify", "--data-dir", str(tmp_path)) as process:
        output, _ = process.communicate(timeout=60)
    assert "The chain is intact." in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1], ids=["Ctrl-C", "Ctrl-Break"])
def test_a_console_event_ends_the_server(number: signal.Signals) -> None:
    with started("--sandbox") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(lines(*HELLO))
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
