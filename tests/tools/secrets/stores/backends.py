"""The backends of the stores in these tests, and the secrets that must never leak."""

import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO

import keyring
import pytest
import secretstorage
from keyring.backend import KeyringBackend
from keyring.backends import SecretService
from support import cannot_run

from connected_apps_tools.secrets.stores import SecretStore, StoreKind, open_store
from connected_apps_tools.secrets.stores.files import FileStore

SECRET = "secret-canary-Zx81kQ0pLm27"
TOKEN = "hvs.token-canary-Qm27Lp90"
ROLE_SECRET = "role-canary-Kd81Vb33"

OpenStore = Callable[[], SecretStore]


def open_kind(kind: StoreKind, folder: Path) -> SecretStore:
    """A store of a kind, with the folders of a server with this data folder."""
    store = open_store(kind, files=FileStore(folder / "secrets"), index=folder / "index")
    assert store
    return store


def assert_unseen(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """No secret is in an error, its traceback or the log."""
    printed = "".join(traceback.format_exception(error))
    seen = f"{error!s} {error!r} {error.__dict__} {printed} {caplog.text}"
    assert [canary for canary in (SECRET, TOKEN, ROLE_SECRET) if canary in seen] == []


def alone(program: str, **environment: str) -> str:
    """The output of a program in a separate process."""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "HOME": os.devnull, "XDG_RUNTIME_DIR": os.devnull}
        | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return ran.stdout.strip()


BUS = """<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""A session bus that starts no services: no second daemon, and no prompt to unlock."""


@contextmanager
def secret_service(folder: Path) -> Iterator[str]:
    """The address of a new session bus with an unlocked gnome-keyring."""
    _need("dbus-daemon", "gnome-keyring-daemon")
    home = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    home |= {"XDG_RUNTIME_DIR": str(folder)}
    configuration = folder / "bus.conf"
    configuration.write_text(BUS)
    bus_command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address=1"]
    with ExitStack() as stack:
        bus = stack.enter_context(_process(bus_command, home))
        assert bus.stdout
        address = bus.stdout.readline().strip()
        daemon_command = ["gnome-keyring-daemon", "--foreground", "--unlock"]
        daemon_command += ["--components=secrets", f"--control-directory={folder}"]
        on_bus = home | {"DBUS_SESSION_BUS_ADDRESS": address}
        daemon = stack.enter_context(_process(daemon_command, on_bus))
        assert daemon.stdin
        with daemon.stdin as stdin:
            stdin.write("password of the test")
        _wait_for_collection(address)
        yield address


def _need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        reason = (
            f"they need a Secret Service, and {' and '.join(missing)} cannot be found. "
            "On Debian: apt-get install dbus gnome-keyring"
        )
        cannot_run(reason)


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)
        for pipe in _open_pipes(process):
            pipe.close()


def _open_pipes(process: subprocess.Popen[str]) -> list[IO[str]]:
    return [pipe for pipe in (process.stdin, process.stdout) if pipe and not pipe.closed]


def _wait_for_collection(address: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        deadline = time.monotonic() + 20
        while True:
            with closing(secretstorage.dbus_init()) as connection:
                try:
                    if not secretstorage.Collection(connection).is_locked():
                        return
                except secretstorage.SecretStorageException:
                    assert time.monotonic() < deadline, "gnome-keyring does not respond"
            time.sleep(0.05)


@contextmanager
def choosing(backend: KeyringBackend) -> Iterator[None]:
    """Make the keyring library use a backend."""
    earlier = keyring.get_keyring()
    keyring.set_keyring(backend)
    try:
        yield
    finally:
        keyring.set_keyring(earlier)


@contextmanager
def keyring_on(address: str) -> Iterator[None]:
    """Make the keyring library use the Secret Service of a bus."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        with choosing(SecretService.Keyring()):  # type: ignore[no-untyped-call]
            yield


@contextmanager
def aws_at(endpoint: str) -> Iterator[None]:
    """Set AWS's environment to an endpoint, without the configuration of the machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", TOKEN)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
