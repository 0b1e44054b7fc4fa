"""Every store on a real backend or a stand-in."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from support import serving
from tools.secrets.stores.backends import (
    ROLE_SECRET,
    TOKEN,
    OpenStore,
    aws_at,
    keyring_on,
    open_kind,
    secret_service,
)
from tools.secrets.stores.vault_stand_in import VaultStandIn

from connected_apps_tools.secrets.stores import SecretKey, SecretStore
from connected_apps_tools.secrets.stores.aws import AwsStore
from connected_apps_tools.secrets.stores.files import FileStore
from connected_apps_tools.secrets.stores.os_keyring import KeyringStore
from connected_apps_tools.secrets.stores.vault import VaultStore
from connected_apps_tools.storage.by_path import PathFolder
from connected_apps_tools.storage.private_folder import PrivateFolder


@pytest.fixture
def project() -> str:
    """A project of this test only."""
    return f"project-test-{uuid.uuid4()}"


@pytest.fixture
def key(project: str) -> SecretKey:
    """The current secret of an app of the project."""
    return SecretKey(project, f"connected-app-test-{uuid.uuid4()}")


@pytest.fixture(scope="session")
def unlocked_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Secret Service for all tests that leave it unlocked."""
    with secret_service(tmp_path_factory.mktemp("keyring")) as address:
        yield address


@pytest.fixture
def open_keyring_store(unlocked_bus: str, tmp_path: Path) -> Iterator[OpenStore]:
    """Open a store in the keyring."""
    with keyring_on(unlocked_bus):
        yield lambda: KeyringStore(PrivateFolder(tmp_path / "index"))


@pytest.fixture
def open_auto_store(unlocked_bus: str, tmp_path: Path) -> Iterator[OpenStore]:
    """Open the auto store with a keyring."""
    with keyring_on(unlocked_bus):
        yield lambda: open_kind("auto", tmp_path)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Moto's server."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def open_aws_store(moto_url: str) -> Iterator[OpenStore]:
    """Open a store in AWS."""
    with aws_at(moto_url):
        yield AwsStore


@pytest.fixture
def vault() -> VaultStandIn:
    """A stand-in that knows one token and one role."""
    return VaultStandIn(tokens={TOKEN}, roles={"role": ROLE_SECRET})


@pytest.fixture
def vault_url(vault: VaultStandIn) -> Iterator[str]:
    """The URL of the stand-in."""
    with serving(vault.app()) as url:
        yield url


@pytest.fixture
def open_vault_store(vault_url: str) -> OpenStore:
    """Open a store in Vault."""
    return lambda: VaultStore(vault_url, SecretStr(TOKEN))


@pytest.fixture
def open_file_store(tmp_path: Path) -> OpenStore:
    """Open a store in a folder."""
    return lambda: FileStore(tmp_path / "secrets")


@pytest.fixture
def open_file_by_path_store(
    open_file_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> OpenStore:
    """Open a store in a folder as Windows does."""
    monkeypatch.setattr(PrivateFolder, "opens", PathFolder)
    return open_file_store


@pytest.fixture(params=["file", "file_by_path", "keyring", "auto", "aws", "vault"])
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    """Open each store; opened twice, it is the same place."""
    opener: OpenStore = request.getfixturevalue(f"open_{request.param}_store")
    return opener


@pytest.fixture
def store(open_store: OpenStore) -> SecretStore:
    """Each store."""
    return open_store()
