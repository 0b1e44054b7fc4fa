"""Audit logs, as tests of several files make and read them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connected_apps_mcp.audit import AuditLog, Ledger, Outcome, RecordedCall, Software
from connected_apps_mcp.audit.reading import FolderSnapshot
from connected_apps_mcp.audit.verify import Verification
from connected_apps_mcp.audit.verify import verify as verify_log
from connected_apps_mcp.callers import Caller

Files = dict[str, bytes]

CALL = RecordedCall(
    tool="delete_app",
    arguments={"client_id": "connected-app-test-1"},
    project_id="project-test-1",
    caller=Caller(user="operator"),
    software=Software("Claude", "1.2"),
    answer="accept",
)


def log_in(folder: Path, **options: Any) -> AuditLog:
    """A log in a folder."""
    return AuditLog(Ledger(folder, **options))


def verify(folder: Path, key_file: Path | None = None, **options: Any) -> Verification:
    """Verify the log in a folder."""
    return verify_log(FolderSnapshot(folder), key_file, **options)


async def record(log: AuditLog, times: int = 1) -> None:
    """Record calls, each with its outcome."""
    for _ in range(times):
        entry = await log.intend(CALL)
        assert await log.outcome(entry, Outcome(request_id="request-1"))


def files_of(folder: Path) -> list[Path]:
    """The files of a log, in order."""
    return sorted(folder.glob("audit.*.jsonl"))


def bytes_of(folder: Path) -> Files:
    """All that is in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put_back(folder: Path, files: Files) -> None:
    """Let this and nothing else be in a folder."""
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """What every line of a whole log says."""
    return [json.loads(line) for file in files_of(folder) for line in file.read_text().splitlines()]


def events_of(folder: Path) -> list[str]:
    """What kind of line each is."""
    return [str(line["event"]) for line in lines_of(folder)]


_RECORDS = """
import sys
from dataclasses import replace
from pathlib import Path
import anyio
from server.audit.logs import CALL, log_in
from connected_apps_mcp.audit import Outcome
from connected_apps_mcp.callers import Caller

async def main(folder, name, times):
    log = log_in(Path(folder), max_bytes=4000)
    for number in range(int(times)):
        call = replace(CALL, arguments={"client_id": f"{name}-{number}", "client_name": "x" * 500})
        entry = await log.intend(call)
        print(entry.id, flush=True)
        assert await log.outcome(entry, Outcome())

anyio.run(main, *sys.argv[1:])
"""


@contextmanager
def recording(folder: Path, name: str, times: int) -> Iterator[subprocess.Popen[str]]:
    """A process that records calls, and prints the id of each intent that is on the disk."""
    tests = Path(__file__).parents[2]
    command = [sys.executable, "-c", _RECORDS, str(folder), name, str(times)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tests) as process:
        yield process
