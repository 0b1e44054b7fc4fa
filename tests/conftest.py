"""What all tests share."""

import logging
import os
import pwd
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import pytest
import stamina
from hypothesis import settings
from mcp import Client
from mcp.server import Server
from platformdirs import PlatformDirs
from postgres import PostgresServer, running_server
from sizes import WHOLE, parts
from support import ERAS, Spans, project_on
from warm import cold_starts, warm_starts

from connected_apps_mcp.client_configs.entries import PROGRAM
from connected_apps_mcp.commands.common import OUR_PACKAGES
from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools import ToolContext
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.observing import observed_by
from connected_apps_tools.storage.by_path import PathFolder
from connected_apps_tools.storage.posix import DescriptorFolder
from connected_apps_tools.storage.postgres.schema import migrate
from connected_apps_tools.storage.private_folder import PrivateFolder
from connected_apps_tools.text.redaction import REDACTOR, Redactor

# Test cases are the same in every run.
settings.register_profile("ours", deadline=None, derandomize=True, database=None)
settings.load_profile("ours")

# Under nohup a hang-up is ignored, and by every process that is started from here.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in a line how many tests were skipped, why, and how to run them."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    for reason, count in reasons.items():
        told = reason.removeprefix("Skipped: ")
        terminalreporter.write_line(f"{count} tests were skipped: {told}", yellow=True)
    if not WHOLE:
        terminalreporter.write_line(f"`make test-all` runs whole what ran in part: {parts()}.")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def _homes() -> Iterator[dict[str, str]]:
    """The environments that lead to a home folder of the tester: with HOME, and without."""
    yield dict(os.environ)
    yield {"HOME": pwd.getpwuid(os.getuid()).pw_dir}


def _files_of_the_tester() -> Mapping[Path, int]:
    """Each file and folder of ours in a home of the tester, with the time of its last change."""
    found: dict[Path, int] = {}
    for environment in _homes():
        with patch.dict(os.environ, environment, clear=True):
            dirs = PlatformDirs("connected-apps-mcp", appauthor=False)
            folders = [dirs.user_data_path, dirs.user_state_path, dirs.user_cache_path]
        for folder in filter(Path.exists, folders):
            found |= {file: file.stat().st_mtime_ns for file in [folder, *folder.rglob("*")]}
    return found


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_written_to_the_home_of_the_tester() -> Iterator[None]:
    before = _files_of_the_tester()
    with pytest.MonkeyPatch.context() as monkeypatch:
        # For fixtures that outlive a test. It cannot be written: they have no business there.
        monkeypatch.setenv("HOME", os.devnull)
        yield
    written = [str(file) for file, _ in _files_of_the_tester().items() ^ before.items()]
    assert not written, f"The tests, or a server of yours meanwhile, changed {sorted(written)}"


@pytest.fixture(scope="session", autouse=True)
def _our_command_starts_warm() -> Iterator[None]:
    with warm_starts() if sys.platform == "linux" else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _a_cold_test_starts_it_for_real(request: pytest.FixtureRequest) -> Iterator[None]:
    with cold_starts() if request.node.get_closest_marker("cold") else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _a_home_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    for name in list(os.environ):
        if name.startswith(("XDG_", "STYTCH_", "CONNECTED_APPS_MCP_", "DBUS_SESSION_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("XDG_RUNTIME_DIR", home)  # the keyring of the tester is not there


@pytest.fixture(scope="session", autouse=True)
def _no_other_copy_of_our_command() -> Iterator[None]:
    """Hide the copy that the tester may have installed from what looks along PATH."""
    folders = os.environ["PATH"].split(os.pathsep)
    ours = str(Path(sys.executable).parent)
    kept = [each for each in folders if each == ours or not Path(each, PROGRAM).exists()]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PATH", os.pathsep.join(kept))
        yield


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> None:
    vars(REDACTOR).update(vars(Redactor()))


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Take back what a command in this process does to logging."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    others = [logging.getLogger(name) for name in (*OUR_PACKAGES, "stamina")]
    levels = [other.level for other in others]
    yield
    for other, earlier in zip(others, levels, strict=True):
        other.setLevel(earlier)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.setLogRecordFactory(factory)
    logging.captureWarnings(capture=False)
    sys.excepthook = hook


@pytest.fixture(params=[DescriptorFolder, PathFolder], ids=["by descriptor", "by path"])
def _folders_of_each_system(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Private folders as POSIX systems open them, and as Windows does."""
    monkeypatch.setattr(PrivateFolder, "opens", request.param)


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


@pytest.fixture
def sandbox() -> httpx2.ASGITransport:
    """A fresh sandbox, as the transport of a client."""
    return httpx2.ASGITransport(create_sandbox())


@pytest.fixture
async def project(sandbox: httpx2.ASGITransport) -> AsyncIterator[ToolContext]:
    """The project of a fresh sandbox, with a file store."""
    async with project_on(sandbox) as project:
        yield project


@pytest.fixture
def api(project: ToolContext) -> ConnectedAppsClient:
    """A client of a fresh sandbox."""
    return project.api


@pytest.fixture
def server(project: ToolContext) -> Server[Any]:
    """A server of the whole catalogue on a fresh sandbox."""
    return build_server(project)


@pytest.fixture(params=ERAS)
async def client(request: pytest.FixtureRequest, server: Server[Any]) -> AsyncIterator[Client]:
    """A client of that server, in each protocol era."""
    async with Client(server, mode=request.param, raise_exceptions=True) as connected:
        yield connected


@pytest.fixture
def spans() -> Iterator[Spans]:
    """The traces of this test."""
    spans = Spans()
    with observed_by(spans.telemetry):
        yield spans


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for tests that do not stop it."""
    with running_server() as server:
        yield server


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database without tables."""
    with postgres.new_database() as name:
        yield postgres.url(name)


@pytest.fixture
def database_url(empty_database: str) -> str:
    """The URL of a database with the tables of this version."""
    migrate(empty_database)
    return empty_database
