"""Files with faults: each command names file, line and key, sends nothing and writes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from server.commands.manifest.repositories import Repository
from starlette.types import Receive, Scope, Send
from support import SANDBOX, serving

from connected_apps_mcp.sandbox import create_sandbox

HERE = SANDBOX.project_id
GOOD = '[app.a]\nclient_type = "first_party"\nclient_name = "A"\n'
BOUND = f'[environments]\ntest = "{HERE}"\n'
TABLE = f"[{HERE}]\n"
LARGE = 10_000_000
"""Bytes of a file that is too large."""

MANIFESTS: Mapping[str, tuple[str | bytes, str]] = {
    "an unknown setting": (
        GOOD + "redirect_url = []\n",
        ", line 4, app.a.redirect_url: there is no such setting. Did you mean redirect_urls?",
    ),
    "an unknown table": (GOOD + "[apps.b]\n", ", line 4, apps: there is no such table."),
    "a key twice": (GOOD + GOOD, ", line 4, app.a: it is not valid TOML: Cannot declare"),
    "a setting twice": (GOOD + 'client_name = "B"\n', ", line 4, client_name: it is not valid"),
    "a number in quotes": (
        GOOD + 'access_token_expiry_minutes = "60"\n',
        ", line 4, app.a.access_token_expiry_minutes: ",
    ),
    "a text for a list": (GOOD + 'redirect_urls = "https://a"\n', ", line 4, app.a.redirect_urls"),
    "a number in a list": (GOOD + "redirect_urls = [\n1]\n", ", line 4, app.a.redirect_urls"),
    "a type that does not exist": ('[app.a]\nclient_type = "x"\n', ", line 2, app.a.client_type"),
    "no type": ('[app.a]\nclient_name = "A"\n', ", line 1, app.a: client_type is missing"),
    "an app that is none": ("app.a = 1\n", ", line 1, app.a: it must be a table"),
    "an environment that does not exist": (
        BOUND + GOOD + "[app.a.tset]\n",
        ", line 6, app.a.tset: there is no such environment. Did you mean test?",
    ),
    "environments of other projects": (
        '[environments]\nlive = "project-live-1"\n' + GOOD,
        f", line 1, environments: no environment is bound to the project {HERE}",
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), ", line 1: it begins with a byte order"),
    "UTF-16": (GOOD.encode("utf-16"), ", line 1: it is not UTF-8"),
    "no end of a text": ('[app.a]\nclient_name = "', ", line 2, client_name: it is not valid TOML"),
    "10 MB": (GOOD + "#" * LARGE, ": it is larger than 8,000,000 bytes"),
    "10 MB of apps": (GOOD.replace(".a]", ".a{}]") * (LARGE // len(GOOD)), ": it is larger than"),
    "a deep nesting": ("a = " + "[" * 100_000, ": it is nested too deeply"),
    "a conflict of git": (f"<<<<<<< HEAD\n{GOOD}=======\n", ", line 1, <<<<<<< HEAD: it is not"),
}

BINDINGS: Mapping[str, tuple[str | bytes, str]] = {
    "two keys for one id": (
        TABLE + 'a = "app-1"\nb = "app-1"\n',
        f", line 3, {HERE}.b: {HERE}.a is bound to the same app",
    ),
    "one app in two projects": (
        TABLE + 'a = "app-1"\n[project-test-2]\na = "app-1"\n',
        f", line 4, project-test-2.a: {HERE}.a is bound to the same app",
    ),
    "an app of another project": (
        TABLE + 'a = "connected-app-live-1"\n',
        f", line 2, {HERE}.a: this app is of another project",
    ),
    "a key without a project": ('a = "app-1"\n', ", line 1, a: it must be a table"),
    "a number for an id": (TABLE + "a = 1\n", f", line 2, {HERE}.a: it must be a client id"),
    "a key twice": (TABLE + 'a = "app-1"\na = "app-2"\n', ", line 3, a: it is not valid TOML"),
    "a byte order mark": (b"\xef\xbb\xbf" + TABLE.encode(), ", line 1: it begins with a byte"),
    "10 MB": ("#" * LARGE, ": it is larger than 8,000,000 bytes"),
}

READING = {"plan": ["plan"], "apply": ["apply"]}
WRITING = {"export": ["export"], "import": ["import", "app-1", "key"]}


class Service:
    """A sandbox that counts what reaches it."""

    def __init__(self) -> None:
        self.requests = 0
        self._sandbox = create_sandbox()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        await self._sandbox(scope, receive, send)


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


@pytest.fixture(scope="module")
def url(service: Service) -> Iterator[str]:
    with serving(service) as url:
        yield url


@pytest.fixture
def repository(url: str, tmp_path: Path) -> Repository:
    return replace(Repository.make(tmp_path), service=url)


def state_of(repository: Repository) -> dict[Path, tuple[bytes, int]]:
    """Each file of the repository, with the time of its last change."""
    files = repository.manifest.parent.iterdir()
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def write(file: Path, content: str | bytes) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def assert_refused(
    repository: Repository, service: Service, arguments: Sequence[str], says: str
) -> None:
    before, requests = state_of(repository), service.requests
    done = repository.run(*arguments)
    assert done.returncode == 1
    assert f"Error: {says}" in done.stderr
    assert "Nothing was sent." in done.stderr
    assert len(done.stderr) < 1_000
    assert service.requests == requests
    assert state_of(repository) == before


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("fault", MANIFESTS)
def test_a_fault_of_a_manifest_is_named_with_its_place(
    repository: Repository, service: Service, fault: str, command: str
) -> None:
    content, place = MANIFESTS[fault]
    write(repository.manifest, content)
    assert_refused(repository, service, READING[command], f"apps.toml{place}")


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("fault", BINDINGS)
def test_a_fault_of_bindings_is_named_with_its_place(
    repository: Repository, service: Service, fault: str, command: str
) -> None:
    content, place = BINDINGS[fault]
    write(repository.manifest, GOOD)
    write(repository.lock, content)
    assert_refused(repository, service, READING[command], f"apps.lock.toml{place}")


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize("fault", ["a key twice", "a byte order mark", "10 MB"])
def test_a_file_with_a_fault_is_not_written_to(
    repository: Repository, service: Service, fault: str, command: str
) -> None:
    content, place = MANIFESTS[fault]
    write(repository.manifest, content)
    assert_refused(repository, service, WRITING[command], f"apps.toml{place}")


@pytest.mark.parametrize(
    "saved",
    [b"", GOOD.encode(), b"{" + b" " * LARGE + b"}", b"\xff\xfe"],
    ids=["empty", "a manifest", "10 MB", "no text"],
)
def test_a_file_that_is_no_saved_plan_is_refused(
    repository: Repository, service: Service, saved: bytes
) -> None:
    write(repository.manifest, GOOD)
    write(repository.manifest.with_name("plan.json"), saved)
    assert_refused(repository, service, ["apply", "plan.json"], "plan.json is not a saved plan.")


def test_windows_files_work(repository: Repository) -> None:
    write(repository.manifest, GOOD.replace("\n", "\r\n"))
    before = repository.manifest.read_bytes()
    assert repository.applied().returncode == 0
    write(repository.lock, repository.lock.read_bytes().replace(b"\n", b"\r\n"))
    assert repository.run("plan").stdout == "Apps: 1 as they should be.\n"
    assert repository.run("export").returncode == 0
    assert repository.manifest.read_bytes() == before
