"""The Vault store, with the stand-in."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr
from tools.secrets.stores.backends import ROLE_SECRET, SECRET, TOKEN, assert_unseen
from tools.secrets.stores.vault_stand_in import VaultStandIn

from connected_apps_tools.secrets.stores import SecretKey
from connected_apps_tools.secrets.stores.vault import AppRole, VaultStore
from connected_apps_tools.storage.errors import StoreError

ROLE = AppRole("role", SecretStr(ROLE_SECRET))


@pytest.fixture
def token_store(vault_url: str) -> VaultStore:
    """A store with a token."""
    return VaultStore(vault_url, SecretStr(TOKEN))


@pytest.fixture
def role_store(vault_url: str) -> VaultStore:
    """A store with an AppRole."""
    return VaultStore(vault_url, ROLE)


def path_of(key: SecretKey) -> str:
    return f"connected-apps-mcp/{key.project_id}/{key.client_id}/{key.which}"


def test_an_app_role_logs_in_once(
    role_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    role_store.put(key, SecretStr(SECRET))
    assert role_store.get(key)
    assert vault.logins == 1


def test_threads_share_a_login(role_store: VaultStore, vault: VaultStandIn, key: SecretKey) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: role_store.get(key), range(16)))
    assert vault.logins == 1


def test_an_expired_token_of_an_app_role_is_renewed(
    role_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    role_store.put(key, SecretStr(SECRET))
    vault.tokens.clear()
    assert role_store.get(key)
    assert vault.logins == 2


def test_a_denied_app_role_logs_in_again_only_once(
    role_store: VaultStore, vault: VaultStandIn, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "tokens", AlwaysEmpty())
    with pytest.raises(StoreError, match="denied access"):
        role_store.get(key)
    assert vault.logins == 2


class AlwaysEmpty(set[str]):
    """A set of tokens that stays empty."""

    def add(self, element: str, /) -> None:
        """Add nothing."""


def test_a_refused_app_role_is_named(
    vault_url: str, key: SecretKey, caplog: pytest.LogCaptureFixture
) -> None:
    store = VaultStore(vault_url, AppRole("unknown", SecretStr(ROLE_SECRET)))
    with pytest.raises(StoreError, match="VAULT_SECRET_ID") as caught:
        store.get(key)
    assert_unseen(caught.value, caplog)


def test_an_expired_token_is_an_error(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    vault.tokens.clear()
    with pytest.raises(StoreError, match="renew the token"):
        token_store.put(key, SecretStr(SECRET))


def test_entries_are_listed_without_reading_a_secret(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    token_store.put(key, SecretStr(SECRET))
    assert len(token_store.entries(key.project_id)) == 1
    assert vault.reads == []


def test_no_path_or_metadata_holds_the_secret(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    token_store.put(key, SecretStr(SECRET))
    shown = [(path, stored.custom) for path, stored in vault.stored.items()]
    assert key.client_id in repr(shown)
    assert SECRET not in repr(shown)


def test_an_entry_is_read_from_the_secret_if_the_writer_died_before_its_metadata(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    token_store.put(key, SecretStr("earlier-0001"))
    metadata = vault.stored[path_of(key)].custom
    token_store.put(key, SecretStr("later-0002"))
    vault.stored[path_of(key)].custom = metadata
    assert [entry.last_four for entry in token_store.entries(key.project_id)] == ["0002"]


def test_an_entry_is_read_from_the_secret_if_its_metadata_is_damaged(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    token_store.put(key, SecretStr(SECRET))
    metadata = vault.stored[path_of(key)].custom or {}
    vault.stored[path_of(key)].custom = metadata | {"stored_at": "once"}
    assert [entry.last_four for entry in token_store.entries(key.project_id)] == [SECRET[-4:]]


def test_metadata_without_a_secret_is_no_entry(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    token_store.put(key, SecretStr(SECRET))
    vault.stored[path_of(key)].versions.clear()
    assert token_store.entries(key.project_id) == []


def test_a_deleted_last_version_is_no_secret(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    token_store.put(key, SecretStr(SECRET))
    vault.delete_last_version(path_of(key))
    assert token_store.get(key) is None
    assert token_store.entries(key.project_id) == []


def test_a_secret_removed_while_entries_are_read_is_no_entry(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_store.put(key, SecretStr(SECRET))
    monkeypatch.setattr(vault, "stored", Vanishing(vault.stored))
    assert token_store.entries(key.project_id) == []


class Vanishing(dict[str, object]):
    """Secrets that are listed, but gone when they are read."""

    def get(self, *_: object) -> None:
        """Find nothing."""


def test_other_secrets_under_the_prefix_are_ignored(
    token_store: VaultStore, vault: VaultStandIn, key: SecretKey
) -> None:
    token_store.put(key, SecretStr(SECRET))
    vault.stored[path_of(key).replace("/current", "/by-hand")] = vault.stored[path_of(key)]
    vault.stored[f"connected-apps-mcp/{key.project_id}/by-hand"] = vault.stored[path_of(key)]
    assert [entry.key for entry in token_store.entries(key.project_id)] == [key]


def test_a_check_leaves_nothing(token_store: VaultStore, vault: VaultStandIn) -> None:
    token_store.check()
    assert vault.stored == {}


def test_a_mount_without_the_engine_is_named(vault_url: str) -> None:
    store = VaultStore(vault_url, SecretStr(TOKEN), mount="other")
    with pytest.raises(StoreError, match="mount"):
        store.check()


def test_namespaces_are_separate(vault_url: str, key: SecretKey) -> None:
    ours = VaultStore(vault_url, SecretStr(TOKEN), namespace="ours")
    theirs = VaultStore(vault_url, SecretStr(TOKEN), namespace="theirs")
    ours.put(key, SecretStr(SECRET))
    assert ours.get(key)
    assert theirs.get(key) is None


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example",
        "vault.example:8200",
        "",
        "https://u:p@vault.example",
        "http://[",
        "ftp://x",
    ],
)
def test_an_address_in_the_clear_or_malformed_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="VAULT_ADDR"):
        VaultStore(address, SecretStr(TOKEN))


def test_the_role_is_shown_without_its_secret() -> None:
    assert ROLE_SECRET not in repr(ROLE) + str(ROLE)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, vault_url: str) -> pytest.MonkeyPatch:
    """An environment with Vault's address alone."""
    for name in ("VAULT_TOKEN", "VAULT_ROLE_ID", "VAULT_SECRET_ID", "VAULT_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAULT_ADDR", vault_url)
    return monkeypatch


def test_a_token_comes_from_the_environment(
    environment: pytest.MonkeyPatch, key: SecretKey
) -> None:
    environment.setenv("VAULT_TOKEN", TOKEN)
    store = VaultStore.from_environment()
    store.put(key, SecretStr(SECRET))
    assert store.get(key)


def test_an_app_role_is_preferred_to_a_token(
    environment: pytest.MonkeyPatch, vault: VaultStandIn
) -> None:
    environment.setenv("VAULT_TOKEN", "expired")
    environment.setenv("VAULT_ROLE_ID", "role")
    environment.setenv("VAULT_SECRET_ID", ROLE_SECRET)
    VaultStore.from_environment().check()
    assert vault.logins == 1


def test_a_namespace_comes_from_the_environment(
    environment: pytest.MonkeyPatch, vault: VaultStandIn, key: SecretKey
) -> None:
    environment.setenv("VAULT_TOKEN", TOKEN)
    environment.setenv("VAULT_NAMESPACE", "ours")
    VaultStore.from_environment().put(key, SecretStr(SECRET))
    assert list(vault.stored) == [f"ours:{path_of(key)}"]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "VAULT_TOKEN"),
        ({"VAULT_ROLE_ID": "role"}, "VAULT_SECRET_ID"),
        ({"VAULT_TOKEN": TOKEN, "VAULT_ADDR": ""}, "VAULT_ADDR"),
    ],
)
def test_a_missing_variable_is_named(
    environment: pytest.MonkeyPatch, given: dict[str, str], missing: str
) -> None:
    for name, value in given.items():
        environment.setenv(name, value)
    with pytest.raises(StoreError, match=missing):
        VaultStore.from_environment()
