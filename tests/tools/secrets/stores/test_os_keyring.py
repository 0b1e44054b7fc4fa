"""The OS keyring store, with gnome-keyring."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest
import secretstorage
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import PasswordDeleteError
from pydantic import SecretStr
from tools.secrets.stores.backends import (
    SECRET,
    OpenStore,
    alone,
    assert_unseen,
    choosing,
    keyring_on,
    secret_service,
)

from connected_apps_tools.secrets.stores import SecretKey
from connected_apps_tools.secrets.stores.os_keyring import SERVICE, KeyringStore, real_backend
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder


@pytest.fixture
def index(tmp_path: Path) -> PrivateFolder:
    """An index."""
    return PrivateFolder(tmp_path / "index")


@pytest.fixture
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A locked Secret Service."""
    with (
        secret_service(tmp_path_factory.mktemp("locked")) as address,
        keyring_on(address),
        closing(secretstorage.dbus_init()) as connection,
    ):
        secretstorage.get_default_collection(connection).lock()
        yield


def test_a_secret_service_is_real(open_keyring_store: OpenStore) -> None:
    assert open_keyring_store().kind == "keyring"
    assert real_backend()


def test_the_index_holds_no_secret(
    open_keyring_store: OpenStore, index: PrivateFolder, key: SecretKey
) -> None:
    open_keyring_store().put(key, SecretStr(SECRET))
    text = index.read(key.file_name)
    assert text
    assert key.client_id in text
    assert SECRET not in text


def test_a_check_leaves_no_item(open_keyring_store: OpenStore, index: PrivateFolder) -> None:
    open_keyring_store().check()
    assert keyring.get_password(SERVICE, "probe") is None
    assert index.names() == []


def test_a_name_without_a_secret_is_no_entry(open_keyring_store: OpenStore, key: SecretKey) -> None:
    store = open_keyring_store()
    store.put(key, SecretStr(SECRET))
    keyring.delete_password(SERVICE, f"{key.project_id}/{key.client_id}/{key.which}")
    assert store.entries(key.project_id) == []


def test_an_entry_comes_from_the_secret_and_not_from_the_index(
    open_keyring_store: OpenStore, index: PrivateFolder, key: SecretKey
) -> None:
    store = open_keyring_store()
    store.put(key, SecretStr("earlier-0001"))
    earlier = index.read(key.file_name)
    store.put(key, SecretStr("later-0002"))
    assert earlier
    index.write(key.file_name, earlier)
    assert [entry.last_four for entry in store.entries(key.project_id)] == ["0002"]


def test_a_damaged_index_entry_still_names_the_item(
    open_keyring_store: OpenStore, index: PrivateFolder, key: SecretKey
) -> None:
    store = open_keyring_store()
    store.put(key, SecretStr(SECRET))
    index.write(key.file_name, "{}")
    assert [entry.key for entry in store.entries(key.project_id)] == [key]


def test_a_damaged_item_is_an_error_that_does_not_quote_it(
    open_keyring_store: OpenStore, key: SecretKey, caplog: pytest.LogCaptureFixture
) -> None:
    user = f"{key.project_id}/{key.client_id}/{key.which}"
    keyring.set_password(SERVICE, user, f'{{"secret": "{SECRET}"}}')
    with pytest.raises(StoreError, match="damaged") as caught:
        open_keyring_store().get(key)
    assert_unseen(caught.value, caplog)


@pytest.mark.usefixtures("locked")
def test_a_locked_keyring_is_an_error(
    index: PrivateFolder, key: SecretKey, caplog: pytest.LogCaptureFixture
) -> None:
    store = KeyringStore(index, timeout=5)
    with pytest.raises(StoreError, match="unlock it") as caught:
        store.put(key, SecretStr(SECRET))
    assert_unseen(caught.value, caplog)
    with pytest.raises(StoreError, match="unlock it"):
        store.check()
    with pytest.raises(StoreError, match="unlock it"):
        store.get(key)


@pytest.mark.usefixtures("locked")
def test_a_locked_keyring_is_not_chosen() -> None:
    assert not real_backend(timeout=5)


ASKS = """
import sys
from pathlib import Path
from connected_apps_tools.secrets.stores import SecretKey, StoreError
from connected_apps_tools.secrets.stores.os_keyring import KeyringStore, PrivateFolder, real_backend
print(real_backend(timeout=1))
try:
    KeyringStore(PrivateFolder(Path("unused")), timeout=1).get(SecretKey("p", "c"))
except StoreError as error:
    print(error)
"""


def test_without_a_session_bus_there_is_no_keyring() -> None:
    assert alone(ASKS).splitlines() == [
        "False",
        (
            "There is no OS keyring for secrets: start one (on Linux a Secret Service such as "
            "gnome-keyring, in the session of this process), or choose another secret store."
        ),
    ]


def test_a_client_that_does_not_pass_the_bus_on_gets_the_keyring(
    unlocked_bus: str, tmp_path: Path
) -> None:
    (tmp_path / "bus").symlink_to(unlocked_bus.removeprefix("unix:path=").partition(",")[0])
    assert alone(ASKS, XDG_RUNTIME_DIR=str(tmp_path)).splitlines() == ["True"]


def test_a_missing_bus_is_no_keyring(tmp_path: Path) -> None:
    printed = alone(ASKS, DBUS_SESSION_BUS_ADDRESS=f"unix:path={tmp_path / 'gone'}")
    assert printed.startswith("False\nThere is no OS keyring")


def test_a_bus_that_never_responds_times_out(tmp_path: Path) -> None:
    address = str(tmp_path / "bus")
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        listener.settimeout(0.1)

        def accept_and_say_nothing() -> None:
            connections: list[socket.socket] = []
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                connections.append(connection)
                connection.settimeout(5)
                while b"AUTH" not in connection.recv(1024):
                    pass
                connection.sendall(b"OK 1234deadbeef\r\n")
            for connection in connections:
                connection.close()

        thread = threading.Thread(target=accept_and_say_nothing)
        thread.start()
        try:
            printed = alone(ASKS, DBUS_SESSION_BUS_ADDRESS=f"unix:path={address}")
        finally:
            ended.set()
            thread.join()
    assert printed.splitlines() == [
        "False",
        "The OS keyring did not respond in time: unlock it, or choose another secret store.",
    ]


def test_an_unknown_backend_in_the_environment_is_an_error() -> None:
    printed = alone(ASKS, PYTHON_KEYRING_BACKEND="no.such.Keyring")
    assert printed.startswith("False\nThe OS keyring could not be used")


@pytest.fixture
def choose() -> Iterator[None]:
    """Restore the chosen backend afterwards."""
    with choosing(keyring.get_keyring()):
        yield


def plaintext() -> KeyringBackend:
    """A backend like those of keyrings.alt."""

    class PlaintextKeyring(Memory):
        """A backend that stores plain text."""

    PlaintextKeyring.__module__ = "keyrings.alt.file"
    return PlaintextKeyring()


class Memory(KeyringBackend):
    """A backend that stores its items in memory."""

    priority = -1  # else the library chooses it where there is no keyring

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.items.pop((service, username), None) is None:
            raise PasswordDeleteError


class Unwritable(Memory):
    """A backend that fails to write."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError(f"{service} {username} {password}")


class Racing(Memory):
    """A backend in which another process deletes a found item, a given number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def get_password(self, service: str, username: str) -> str | None:
        self.times -= 1
        if self.times >= 0:
            raise secretstorage.ItemNotFoundException(SECRET)
        return super().get_password(service, username)


class Undeletable(Memory):
    """A backend that cannot delete."""

    def delete_password(self, service: str, username: str) -> None:
        raise PasswordDeleteError(f"{service} {username} {SECRET}")


class Chain(chainer.ChainerBackend):
    """A chain of given backends."""

    backends: list[KeyringBackend] = []  # noqa: RUF012


@pytest.mark.usefixtures("choose")
@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring, plaintext, Chain])
def test_a_backend_that_stores_nothing_or_plain_text_is_refused(
    backend: type[KeyringBackend], index: PrivateFolder
) -> None:
    keyring.set_keyring(backend())
    assert not real_backend()
    with pytest.raises(StoreError, match="There is no OS keyring"):
        KeyringStore(index).check()


@pytest.mark.usefixtures("choose")
def test_the_first_real_backend_of_a_chain_is_used(index: PrivateFolder, key: SecretKey) -> None:
    plain, real, other = plaintext(), Memory(), Memory()
    chain = Chain()  # type: ignore[no-untyped-call]
    chain.backends = [plain, real, other]
    keyring.set_keyring(chain)
    store = KeyringStore(index)
    store.put(key, SecretStr(SECRET))
    assert store.get(key)
    assert len(real.items) == 1
    assert not other.items


@pytest.mark.usefixtures("choose")
def test_an_item_that_cannot_be_deleted_is_an_error(
    index: PrivateFolder, key: SecretKey, caplog: pytest.LogCaptureFixture
) -> None:
    keyring.set_keyring(Undeletable())
    store = KeyringStore(index)
    store.put(key, SecretStr(SECRET))
    with pytest.raises(StoreError, match="could not be used") as caught:
        store.remove(key)
    assert_unseen(caught.value, caplog)
    assert [entry.key for entry in store.entries(key.project_id)] == [key]


@pytest.mark.usefixtures("choose")
def test_a_process_that_dies_before_the_secret_is_written_leaves_no_entry(
    index: PrivateFolder, key: SecretKey
) -> None:
    keyring.set_keyring(Unwritable())
    store = KeyringStore(index)
    with pytest.raises(StoreError, match="could not be used"):
        store.put(key, SecretStr(SECRET))
    assert index.names() == [key.file_name]
    assert store.entries(key.project_id) == []


@pytest.mark.usefixtures("choose")
def test_an_item_that_another_process_deletes_is_read_again(
    index: PrivateFolder, key: SecretKey
) -> None:
    keyring.set_keyring(Racing(times=3))
    assert KeyringStore(index).get(key) is None


@pytest.mark.usefixtures("choose")
def test_an_item_that_always_vanishes_is_an_error(
    index: PrivateFolder, key: SecretKey, caplog: pytest.LogCaptureFixture
) -> None:
    keyring.set_keyring(Racing(times=100))
    with pytest.raises(StoreError, match="could not be used") as caught:
        KeyringStore(index).get(key)
    assert_unseen(caught.value, caplog)
