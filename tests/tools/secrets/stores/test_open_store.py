"""The store that the operator chooses, and the automatic choice."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from keyring.backends import fail
from mcp import Client, StdioServerParameters
from pydantic import SecretStr
from support import SANDBOX, SERVER, answer
from tools.secrets.stores.backends import (
    SECRET,
    TOKEN,
    OpenStore,
    alone,
    aws_at,
    choosing,
    keyring_on,
    open_kind,
)

from connected_apps_tools.secrets.stores import (
    SecretKey,
    SecretStore,
    StoreKind,
    open_store,
    require_usable,
)
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.secrets.stores.installation import how_to_add
from connected_apps_tools.secrets.stores.lazy import LazyStore
from connected_apps_tools.storage.errors import StoreError


@pytest.fixture
def _no_keyring() -> Iterator[None]:
    with choosing(fail.Keyring()):  # type: ignore[no-untyped-call]
        yield


@pytest.fixture
def _vault_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)


@pytest.fixture
def where(tmp_path: Path) -> list[str]:
    """The flags of processes that share a sandbox, and a data folder with the tests' own stores."""
    apps = ["--sandbox", "--sandbox-db", str(tmp_path / "apps.sqlite3")]
    return [*apps, "--secret-store", "auto", "--data-dir", str(tmp_path)]


async def created_by_a_server(where: list[str]) -> SecretKey:
    """The key of a secret that a server stores. The server uses the same session bus."""
    server = StdioServerParameters(
        command=SERVER[0], args=[*SERVER[1:], *where], env=dict(os.environ)
    )
    async with Client(server) as client:
        called = await client.call_tool("create_app", {"client_type": "first_party"})
    return SecretKey(SANDBOX.project_id, answer(called)["app"]["client_id"])


def test_auto_is_the_keyring_if_one_responds(open_auto_store: OpenStore, key: SecretKey) -> None:
    store = open_auto_store()
    assert store.kind == "keyring"
    assert store.location(key).startswith("the OS keyring, ")


def test_a_secret_that_auto_stores_in_the_keyring_is_in_no_file(
    open_auto_store: OpenStore, key: SecretKey, tmp_path: Path
) -> None:
    open_auto_store().put(key, SecretStr(SECRET))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file.parent.name for file in files] == ["index"]
    assert SECRET not in files[0].read_text()


def test_a_command_that_chooses_auto_lists_what_is_in_the_keyring(
    open_keyring_store: OpenStore, where: list[str]
) -> None:
    open_keyring_store().put(SecretKey(SANDBOX.project_id, "app-stored-here"), SecretStr(SECRET))
    listed = subprocess.run(
        [*SERVER, "secrets", "list", *where], capture_output=True, text=True, check=True
    )
    (line,) = listed.stdout.splitlines()
    assert line.startswith("app-stored-here  current  …Lm27")


async def test_auto_has_what_a_server_has_put_into_the_keyring(
    open_auto_store: OpenStore, where: list[str], tmp_path: Path
) -> None:
    key = await created_by_a_server(where)
    assert open_auto_store().get(key)
    assert FileStore(tmp_path / "secrets").get(key) is None


async def test_auto_of_a_server_without_a_keyring_is_the_folder(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    key = await created_by_a_server(where)
    assert FileStore(tmp_path / "secrets").get(key)


@pytest.mark.usefixtures("_no_keyring")
def test_auto_is_the_folder_if_no_keyring_responds(tmp_path: Path, key: SecretKey) -> None:
    store = open_kind("auto", tmp_path)
    assert store.kind == "file"
    assert store.location(key).startswith(f"the file {tmp_path}")


@pytest.mark.usefixtures("_no_keyring")
def test_auto_stores_and_removes_in_the_folder(tmp_path: Path, key: SecretKey) -> None:
    store, files = open_kind("auto", tmp_path), FileStore(tmp_path / "secrets")
    store.check()
    store.put(key, SecretStr(SECRET))
    assert store.get(key) == files.get(key) is not None
    assert [entry.key for entry in store.entries(key.project_id)] == [key]
    store.remove(key)
    assert files.get(key) is None


@pytest.mark.usefixtures("_no_keyring")
def test_auto_chooses_only_once(tmp_path: Path, unlocked_bus: str) -> None:
    store = open_kind("auto", tmp_path)
    assert store.kind == "file"
    with keyring_on(unlocked_bus):
        assert store.kind == "file"
        assert open_kind("auto", tmp_path).kind == "keyring"


def test_a_lazy_store_is_not_opened_before_it_is_needed(tmp_path: Path) -> None:
    opened: list[SecretStore] = []

    def open_files() -> SecretStore:
        opened.append(FileStore(tmp_path))
        return opened[-1]

    store = LazyStore(open_files)
    assert opened == []
    assert store.entries("p") == []
    assert len(opened) == 1


def test_threads_that_need_a_lazy_store_first_open_it_once(tmp_path: Path) -> None:
    opened: list[SecretStore] = []

    def open_slowly() -> SecretStore:
        opened.append(FileStore(tmp_path))
        time.sleep(0.1)
        return opened[-1]

    store = LazyStore(open_slowly)
    with ThreadPoolExecutor(8) as pool:
        kinds = list(pool.map(lambda _: store.kind, range(8)))
    assert kinds == ["file"] * 8
    assert len(opened) == 1


def test_a_lazy_store_that_could_not_be_opened_is_opened_again(tmp_path: Path) -> None:
    outcomes: list[Any] = [StoreError("gone"), FileStore(tmp_path)]

    def open_at_second() -> SecretStore:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return cast("SecretStore", outcome)

    store = LazyStore(open_at_second)
    with pytest.raises(StoreError, match="gone"):
        store.check()
    store.check()
    assert store.kind == "file"


OPENS = """
import sys
from pathlib import Path
from connected_apps_tools.secrets.stores import open_store
from connected_apps_tools.secrets.stores.files import FileStore
store = open_store({kind!r}, files=FileStore(Path("unused")), index=Path("unused"))
libraries = ["keyring", "secretstorage", "boto3", "botocore", "hvac", "requests"]
print([name for name in libraries if name in sys.modules])
"""


@pytest.mark.parametrize("kind", get_args(StoreKind))
def test_opening_loads_no_library(kind: StoreKind) -> None:
    vault = {"VAULT_ADDR": "https://vault.example", "VAULT_TOKEN": TOKEN}
    assert alone(OPENS.format(kind=kind), **vault) == "[]"


def test_auto_loads_the_keyring_library_when_it_is_first_needed() -> None:
    asks = OPENS.format(kind="auto") + "store.kind; print('keyring' in sys.modules)"
    assert alone(asks).splitlines() == ["[]", "True"]


@pytest.mark.usefixtures("_vault_named")
@pytest.mark.parametrize("kind", ["keyring", "file", "aws", "vault"])
def test_a_store_is_of_the_kind_that_was_chosen(kind: StoreKind, tmp_path: Path) -> None:
    assert open_kind(kind, tmp_path).kind == kind


def test_none_is_no_store(tmp_path: Path) -> None:
    assert open_store("none", files=FileStore(tmp_path), index=tmp_path) is None


@pytest.mark.usefixtures("_no_keyring")
def test_a_missing_keyring_is_not_replaced_if_it_was_chosen(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no OS keyring"):
        open_kind("keyring", tmp_path).check()


@pytest.mark.usefixtures("_vault_named")
@pytest.mark.parametrize(("kind", "library"), [("aws", "boto3"), ("vault", "hvac")])
def test_a_library_that_is_missing_is_named(
    kind: StoreKind, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(StoreError, match=f"store needs {library}, which is missing: run "):
        open_kind(kind, tmp_path).check()


WITHOUT = """
import sys
sys.modules[{library!r}] = None
from connected_apps_mcp.commands.cli import main
main(["--sandbox", "--secret-store", {kind!r}])
"""


@pytest.mark.parametrize(
    ("kind", "library", "hint"),
    [
        ("aws", "boto3", "the aws store needs boto3, which is missing: run "),
        ("vault", "hvac", "the vault store needs hvac, which is missing: run "),
        ("keyring", "dbus_that_is_not_there", "There is no OS keyring for secrets: start"),
    ],
)
def test_a_server_does_not_start_with_a_store_that_cannot_work(
    kind: str, library: str, hint: str
) -> None:
    refused = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(kind=kind, library=library)],
        input="",
        env={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert f"--secret-store {kind}: {hint}" in refused.stderr


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({}, "needs a region: set AWS_DEFAULT_REGION"),
        ({"AWS_REGION": "eu-central-1"}, "needs a region: set AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, "needs valid credentials: set AWS_PROFILE"),
        (
            {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_PROFILE": "not-there"},
            "needs valid credentials: set AWS_PROFILE",
        ),
    ],
)
def test_aws_without_a_region_or_credentials_cannot_work(
    given: dict[str, str], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_at("http://127.0.0.1:9"):
        for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StoreError, match=f"AWS Secrets Manager {hint}"):
            require_usable("aws")
        monkeypatch.undo()


def test_aws_with_a_region_and_credentials_is_not_asked() -> None:
    with aws_at("http://127.0.0.1:9"):
        require_usable("aws")


BOTO3 = "'boto3<2,>=1.40'"


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ({}, f"run {{prefix}}/bin/python -m pip install {BOTO3}"),
        ({"pyvenv.cfg": "home = x\n"}, f"run {{prefix}}/bin/python -m pip install {BOTO3}"),
        ({"pipx_metadata.json": "{}"}, f"run pipx inject connected-apps-mcp {BOTO3}"),
        (
            {"pyvenv.cfg": "home = x\nuv = 0.9\n", "uv-receipt.toml": ""},
            f"run uv pip install --python {{prefix}}/bin/python {BOTO3}",
        ),
        (
            {"pyvenv.cfg": "home = x\nuv = 0.9\n"},
            f"run uv pip install --python {{prefix}}/bin/python {BOTO3}",
        ),
    ],
)
def test_how_to_add_a_library_fits_how_the_program_was_installed(
    files: dict[str, str], hint: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert how_to_add("aws", tmp_path) == hint.format(prefix=tmp_path)


def test_a_program_started_by_uvx_gets_the_library_from_uvx(tmp_path: Path) -> None:
    prefix = tmp_path / "archive-v0" / "x"
    prefix.mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = x\nuv = 0.9\n")
    assert how_to_add("aws", prefix) == f"start it with uvx --with {BOTO3}"


def test_a_vault_without_settings_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("VAULT_")]:
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match="VAULT_TOKEN"):
        open_kind("vault", tmp_path)


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="one of auto, keyring, file, aws, vault, none"):
        open_kind(cast("StoreKind", "kerying"), tmp_path)
