"""The AWS store, with moto's server."""

import time
import uuid

import boto3
import pytest
from pydantic import SecretStr
from tools.secrets.stores.backends import SECRET, OpenStore, aws_at
from types_boto3_secretsmanager import SecretsManagerClient

from connected_apps_tools.secrets.stores import SecretKey, aws
from connected_apps_tools.secrets.stores.aws import AwsStore
from connected_apps_tools.storage.errors import StoreError


@pytest.fixture
def console(open_aws_store: OpenStore) -> SecretsManagerClient:  # noqa: ARG001 - sets the environment
    """A client of AWS without our store."""
    return boto3.session.Session().client("secretsmanager")


def test_a_secret_scheduled_for_deletion_does_not_count(
    console: SecretsManagerClient, key: SecretKey
) -> None:
    store = AwsStore()
    store.put(key, SecretStr(SECRET))
    console.delete_secret(SecretId=store._name(key), RecoveryWindowInDays=7)
    assert store.get(key) is None
    assert store.entries(key.project_id) == []


def test_a_secret_scheduled_for_deletion_is_restored_to_be_put(
    console: SecretsManagerClient, key: SecretKey
) -> None:
    store = AwsStore()
    store.put(key, SecretStr("earlier-0001"))
    console.delete_secret(SecretId=store._name(key), RecoveryWindowInDays=7)
    store.put(key, SecretStr("later-0002"))
    stored = store.get(key)
    assert stored
    assert stored.secret.get_secret_value() == "later-0002"
    assert [entry.last_four for entry in store.entries(key.project_id)] == ["0002"]


def test_no_name_description_or_tag_holds_the_secret(
    console: SecretsManagerClient, key: SecretKey
) -> None:
    AwsStore().put(key, SecretStr(SECRET))
    (page,) = console.get_paginator("list_secrets").paginate(
        Filters=[{"Key": "name", "Values": [f"connected-apps-mcp/{key.project_id}"]}]
    )
    assert key.client_id in repr(page)
    assert SECRET not in repr(page)


def test_entries_come_from_every_page(console: SecretsManagerClient, project: str) -> None:
    keys = [SecretKey(project, f"app-{number:03}") for number in range(102)]
    store = AwsStore(client=console)
    for key in keys:
        store.put(key, SecretStr(SECRET))
    assert [entry.key for entry in store.entries(project)] == keys


def test_checks_leave_one_probe_of_one_version(console: SecretsManagerClient) -> None:
    prefix = f"ours-{uuid.uuid4()}"
    for _ in range(3):
        AwsStore(prefix).check()
    probe = f"{prefix}/probe"
    (page,) = console.get_paginator("list_secrets").paginate(
        Filters=[{"Key": "name", "Values": [prefix]}]
    )
    assert [found["Name"] for found in page["SecretList"]] == [probe]
    assert len(console.list_secret_version_ids(SecretId=probe)["Versions"]) == 1


def test_other_secrets_under_the_prefix_are_ignored(
    console: SecretsManagerClient, project: str
) -> None:
    name = f"connected-apps-mcp/{project}/made-by-hand"
    console.create_secret(Name=name, SecretString=SECRET, Description="By hand")
    assert AwsStore().entries(project) == []


def test_an_entry_is_read_from_the_secret_if_its_description_was_changed(
    console: SecretsManagerClient, key: SecretKey
) -> None:
    store = AwsStore(client=console)
    store.put(key, SecretStr(SECRET))
    name = f"connected-apps-mcp/{key.project_id}/{key.client_id}/current"
    console.update_secret(SecretId=name, Description="By hand")
    assert [entry.last_four for entry in store.entries(key.project_id)] == [SECRET[-4:]]


def test_a_name_that_stays_refused_is_an_error(
    console: SecretsManagerClient, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "_PAUSES", (0.0, 0.01))
    store = AwsStore(client=console)
    store.put(key, SecretStr(SECRET))

    def undeletable(**_: object) -> None:
        raise console.exceptions.InvalidRequestException({"Error": {}}, "any")

    for operation in ("update_secret", "restore_secret", "create_secret"):
        monkeypatch.setattr(console, operation, undeletable)
    with pytest.raises(StoreError, match=r"does not allow writing"):
        store.put(key, SecretStr(SECRET))


def test_a_name_that_is_soon_free_is_awaited(
    console: SecretsManagerClient, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_at = time.monotonic() + 0.3
    create = console.create_secret

    def busy_at_first(**request: str) -> object:
        if time.monotonic() < free_at:
            raise console.exceptions.InvalidRequestException({"Error": {}}, "any")
        return create(**request)  # type: ignore[arg-type]

    monkeypatch.setattr(console, "create_secret", busy_at_first)
    store = AwsStore(client=console)
    store.put(key, SecretStr(SECRET))
    assert store.get(key)


def test_a_plain_http_endpoint_is_refused(key: SecretKey) -> None:
    with aws_at("http://secrets.example"), pytest.raises(StoreError, match="https"):
        AwsStore().put(key, SecretStr(SECRET))


def test_a_missing_region_is_named(
    open_aws_store: OpenStore, monkeypatch: pytest.MonkeyPatch, key: SecretKey
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(StoreError, match="AWS_DEFAULT_REGION"):
        open_aws_store().get(key)


def test_missing_credentials_are_named(
    open_aws_store: OpenStore, monkeypatch: pytest.MonkeyPatch, key: SecretKey
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="AWS_PROFILE"):
        open_aws_store().get(key)


def test_an_unknown_profile_is_named_as_credentials(
    open_aws_store: OpenStore, monkeypatch: pytest.MonkeyPatch, key: SecretKey
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "unknown")
    with pytest.raises(StoreError, match="AWS_PROFILE"):
        open_aws_store().get(key)
