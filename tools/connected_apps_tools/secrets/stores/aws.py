"""Stores secrets in AWS Secrets Manager."""

from __future__ import annotations

import contextlib
import functools
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError

from connected_apps_tools.api.service import is_local
from connected_apps_tools.storage.errors import StoreError

from .base import (
    SecretKey,
    StoredEntry,
    StoredSecret,
    error_name,
    list_entries,
    segment,
    store_errors,
)
from .installation import require_library

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CONNECT_SECONDS = 3
READ_SECONDS = 8
ATTEMPTS = 2

_PAUSES = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each attempt to write.

AWS deletes in the background. Until then, no secret with that name can be written or created.
"""

_STORE = "AWS Secrets Manager"
_DENIED = "denied access: allow the actions that docs/explanation/secrets.md lists."
_AWS_CREDENTIALS = "needs valid credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret."
_REGION = "needs a region: set AWS_DEFAULT_REGION, or one in the profile."
_UNREACHABLE = "could not be reached: check the network, the region and the endpoint."
_AWS_ADVICE = {
    "AccessDeniedException": _DENIED,
    "UnrecognizedClientException": _AWS_CREDENTIALS,
    "InvalidSignatureException": _AWS_CREDENTIALS,
    "ExpiredTokenException": _AWS_CREDENTIALS,
    "NoCredentialsError": _AWS_CREDENTIALS,
    "PartialCredentialsError": _AWS_CREDENTIALS,
    "CredentialRetrievalError": _AWS_CREDENTIALS,
    "ProfileNotFound": _AWS_CREDENTIALS,
    "NoRegionError": _REGION,
    "EndpointConnectionError": _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "ReadTimeoutError": _UNREACHABLE,
    "ConnectionClosedError": _UNREACHABLE,
    "DecryptionFailure": "could not use the KMS key: allow it to these credentials.",
    "EncryptionFailure": "could not use the KMS key: allow it to these credentials.",
    "KeyError": "responded without the value: check the secret in the AWS console.",
}


class AwsStore:
    """One secret of Secrets Manager per secret, with its entry as JSON in the description.

    Region, credentials and endpoint come from the environment, as for AWS's own tools.
    """

    kind = "aws"

    def __init__(
        self, prefix: str = "connected-apps-mcp", client: SecretsManagerClient | None = None
    ) -> None:
        self._prefix = prefix
        self._given = client

    @property
    def where(self) -> str:
        """The prefix of the names."""
        return f"AWS Secrets Manager, under {self._prefix}/"

    def location(self, key: SecretKey) -> str:
        """The name of the secret."""
        return f"the AWS Secrets Manager secret {self._name(key)}"

    def check(self) -> None:
        """Write a probe, which stays.

        If it were deleted, the next check would have to wait for AWS. It gets one version a day:
        AWS checks the permission, then ignores a write with a known token.
        """
        token = f"{datetime.now(UTC):%Y-%m-%d}-connected-apps-mcp-probe"
        with store_errors(_STORE, _AWS_ADVICE, _kind):
            self._write(f"{self._prefix}/probe", "probe", "Shows that writing works", token)

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Write the secret and its description."""
        stored = StoredSecret.now(key, secret)
        description = stored.without_secret().model_dump_json()
        with store_errors(_STORE, _AWS_ADVICE, _kind):
            self._write(self._name(key), stored.document(), description, str(uuid.uuid4()))

    def get(self, key: SecretKey) -> StoredSecret | None:
        """Read the secret. One that is scheduled for deletion does not count."""
        with store_errors(_STORE, _AWS_ADVICE, _kind):
            errors = self._client.exceptions
            try:
                response = self._client.get_secret_value(SecretId=self._name(key))
            except (errors.ResourceNotFoundException, errors.InvalidRequestException):
                return None
            return StoredSecret.from_document(key, response["SecretString"])

    def remove(self, key: SecretKey) -> None:
        """Delete the secret."""
        with store_errors(_STORE, _AWS_ADVICE, _kind):
            # No recovery is needed: the secret is no longer valid at the service.
            # For this request, a missing secret is no error.
            self._client.delete_secret(SecretId=self._name(key), ForceDeleteWithoutRecovery=True)

    def entries(self, project_id: str) -> list[StoredEntry]:
        """Read the descriptions of the project's secrets; a secret if its description is bad."""
        project = f"{self._prefix}/{segment(project_id)}/"
        with store_errors(_STORE, _AWS_ADVICE, _kind):
            pages = self._client.get_paginator("list_secrets").paginate(
                Filters=[{"Key": "name", "Values": [project]}]
            )
            descriptions = {
                SecretKey.of_segments(found["Name"].split("/")[-3:]): found.get("Description", "")
                for page in pages
                for found in page["SecretList"]
                if found["Name"].startswith(project) and "DeletedDate" not in found
            }

        def read(key: SecretKey) -> StoredEntry | None:
            try:
                return StoredEntry.model_validate_json(descriptions[key])
            except ValidationError:
                return self.get(key)

        return list_entries(descriptions, project_id, read)

    def _name(self, key: SecretKey) -> str:
        return "/".join([self._prefix, *key.segments])

    @functools.cached_property
    def _client(self) -> SecretsManagerClient:
        """A client, shared by threads. Creating two at once is harmless."""
        return self._given or _connect()

    def _write(self, name: str, value: str, description: str, token: str) -> None:
        for pause in _PAUSES:
            time.sleep(pause)
            if self._update(name, value, description, token) or self._create(
                name, value, description, token
            ):
                return
        raise StoreError(f"{_STORE} does not allow writing {name}: check it in the AWS console.")

    def _update(self, name: str, value: str, description: str, token: str) -> bool:
        errors = self._client.exceptions
        try:
            # Unlike PutSecretValue, this changes the value and its description together.
            self._client.update_secret(
                SecretId=name,
                SecretString=value,
                Description=description,
                ClientRequestToken=token,
            )
        except errors.ResourceNotFoundException:
            return False
        except errors.InvalidRequestException:  # scheduled for deletion
            # A secret that is being deleted now cannot be restored, and is soon gone.
            with contextlib.suppress(
                errors.ResourceNotFoundException, errors.InvalidRequestException
            ):
                self._client.restore_secret(SecretId=name)
            return False
        return True

    def _create(self, name: str, value: str, description: str, token: str) -> bool:
        errors = self._client.exceptions
        try:
            self._client.create_secret(
                Name=name, SecretString=value, Description=description, ClientRequestToken=token
            )
        except (errors.ResourceExistsException, errors.InvalidRequestException):
            return False
        return True


def require_settings() -> None:
    """Check that the library is installed, and that a region and credentials are set.

    On an AWS machine this asks the machine for credentials.

    Raises:
        StoreError: one of them is missing.
    """
    require_library("aws")
    import boto3

    with store_errors(_STORE, _AWS_ADVICE, _kind):
        session = boto3.session.Session()
        if session.region_name is None:
            raise StoreError(f"{_STORE} {_REGION}")
        if session.get_credentials() is None:
            raise StoreError(f"{_STORE} {_AWS_CREDENTIALS}")


def _connect() -> SecretsManagerClient:
    require_library("aws")
    import boto3
    from botocore.config import Config

    # A new session, since boto3's default one is not thread-safe.
    client = boto3.session.Session().client(
        "secretsmanager",
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )
    endpoint = client.meta.endpoint_url
    if not endpoint.startswith("https://") and not is_local(endpoint):
        raise StoreError(f"{_STORE} needs an https endpoint, except on this machine.")
    return client


def _kind(error: Exception) -> str:
    from botocore.exceptions import ClientError

    return error.response["Error"]["Code"] if isinstance(error, ClientError) else error_name(error)
