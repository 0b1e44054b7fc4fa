"""Stores secrets in the KV engine, version 2, of HashiCorp Vault or OpenBao."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import SecretStr, ValidationError

from connected_apps_tools.api.service import check_base_url
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.text.redaction import REDACTOR

from .base import SecretKey, StoredEntry, StoredSecret, list_entries, segment, store_errors
from .installation import require_library

if TYPE_CHECKING:
    import hvac

VAULT_SECONDS = 8

_STRANGE = "does not respond like version 2 of the KV engine: check VAULT_ADDR and the mount."
_VAULT_ADVICE = {
    "Forbidden": "denied access: renew the token, allow what docs/explanation/secrets.md lists.",
    "InvalidPath": "has no KV engine at this mount: enable version 2 there, or name another mount.",
    "VaultDown": "is sealed or in maintenance: unseal it.",
    "VaultNotInitialized": "is not initialized: initialize and unseal it.",
    "RateLimitExceeded": "limits the rate of requests: wait a moment, then try again.",
    "TooManyRedirects": "redirects to another address: set VAULT_ADDR to that one.",
    "KeyError": _STRANGE,
    "TypeError": _STRANGE,
    "SSLError": "has a certificate that is not trusted: set VAULT_CACERT.",
}
_LOGIN_ADVICE = _VAULT_ADVICE | dict.fromkeys(
    ["InvalidRequest", "Forbidden", "InvalidPath"],
    "refused the AppRole login: check VAULT_ROLE_ID and VAULT_SECRET_ID.",
)

_T = TypeVar("_T")


@dataclass(frozen=True)
class AppRole:
    """The credentials of a machine, to get a token that expires."""

    role_id: str
    secret_id: SecretStr = field(repr=False)


class VaultStore:
    """One secret of the KV engine per secret, with its entry as custom metadata.

    Raises:
        StoreError: the address is not https, and not on this machine.
    """

    kind = "vault"

    def __init__(
        self,
        address: str,
        auth: SecretStr | AppRole,
        *,
        namespace: str | None = None,
        mount: str = "secret",
        prefix: str = "connected-apps-mcp",
    ) -> None:
        try:
            self._address = check_base_url(address)
        except InvalidRequest as error:
            raise StoreError(f"Vault's address (VAULT_ADDR): {error}.") from None
        self._auth = auth
        self._token = ""
        self._login = threading.Lock()
        self._namespace = namespace
        self._mount = mount
        self._prefix = prefix

    @classmethod
    def from_environment(cls, mount: str = "secret", prefix: str = "connected-apps-mcp") -> Self:
        """A store from Vault's own variables. AppRole is preferred to a token: it can be renewed.

        Raises:
            StoreError: a variable is missing. The text names it.
        """
        auth: SecretStr | AppRole
        if role_id := os.environ.get("VAULT_ROLE_ID"):
            auth = AppRole(role_id, SecretStr(_variable("VAULT_SECRET_ID")))
        else:
            auth = SecretStr(_variable("VAULT_TOKEN", " (or VAULT_ROLE_ID and VAULT_SECRET_ID)"))
        namespace = os.environ.get("VAULT_NAMESPACE")
        return cls(_variable("VAULT_ADDR"), auth, namespace=namespace, mount=mount, prefix=prefix)

    @property
    def where(self) -> str:
        """The mount and the prefix of the paths."""
        return f"Vault at {self._address}, mount {self._mount}, under {self._prefix}/"

    def location(self, key: SecretKey) -> str:
        """The path of the secret."""
        return f"the Vault secret {self._path(key)} in the mount {self._mount} of {self._address}"

    def check(self) -> None:
        """Write a probe with its metadata, and delete it."""
        path = f"{self._prefix}/probe"

        def probe(kv: _Kv) -> None:
            kv.write(path, {"probe": "probe"}, {})
            kv.delete(path)

        self._run(probe)

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Write the secret, then its metadata."""
        stored = StoredSecret.now(key, secret)
        metadata = stored.without_secret().model_dump(mode="json")
        self._run(lambda kv: kv.write(self._path(key), json.loads(stored.document()), metadata))

    def get(self, key: SecretKey) -> StoredSecret | None:
        """Read the secret. It does not count if its last version is deleted."""
        return self._run(lambda kv: kv.read(self._path(key), key))

    def remove(self, key: SecretKey) -> None:
        """Delete the secret with all versions and the metadata."""
        self._run(lambda kv: kv.delete(self._path(key)))

    def entries(self, project_id: str) -> list[StoredEntry]:
        """Read the metadata of the project's secrets.

        A secret is read only if its metadata is damaged or not that of its last version: its writer
        may have died in between.
        """
        project = segment(project_id)

        def find(kv: _Kv) -> list[StoredEntry]:
            clients = [name.rstrip("/") for name in kv.names(f"{self._prefix}/{project}")]
            keys = [
                SecretKey.of_segments([project, client, which])
                for client in clients
                for which in kv.names(f"{self._prefix}/{project}/{client}")
            ]
            return list_entries(keys, project_id, lambda key: kv.entry(self._path(key), key))

        return self._run(find)

    def _path(self, key: SecretKey) -> str:
        return "/".join([self._prefix, *key.segments])

    def _run(self, operation: Callable[[_Kv], _T]) -> _T:
        """Run an operation of the KV engine; renew an expired token of an AppRole once."""
        with store_errors("Vault", _VAULT_ADVICE):
            require_library("vault")
            from hvac.exceptions import Forbidden

            token = self._token_other_than("")
            try:
                return self._run_with(operation, token)
            except Forbidden:
                renewed = self._token_other_than(token)
                if renewed == token:
                    raise
            return self._run_with(operation, renewed)

    def _run_with(self, operation: Callable[[_Kv], _T], token: str) -> _T:
        with self._connection(token) as client:
            return operation(_Kv(client.secrets.kv.v2, self._mount))

    def _token_other_than(self, refused: str) -> str:
        """The token; with an AppRole, a new one if it is the refused one."""
        if isinstance(self._auth, SecretStr):
            return self._auth.get_secret_value()
        with self._login:  # one for all threads
            if self._token == refused:
                self._token = self._logged_in(self._auth)
            return self._token

    def _logged_in(self, role: AppRole) -> str:
        with store_errors("Vault", _LOGIN_ADVICE), self._connection("") as client:
            response = client.auth.approle.login(role.role_id, role.secret_id.get_secret_value())
            token: str = response["auth"]["client_token"]
        REDACTOR.add(token)
        return token

    @contextlib.contextmanager
    def _connection(self, token: str) -> Iterator[hvac.Client]:
        """A client for one operation: neither the client nor its session is thread-safe."""
        import hvac
        import requests

        with requests.Session() as session:
            session.max_redirects = 0  # a redirect would send the token elsewhere
            yield hvac.Client(
                self._address,
                token,
                timeout=VAULT_SECONDS,
                session=session,
                namespace=self._namespace,
            )


class _Kv:
    """The operations on one mount, with the results that we need."""

    def __init__(self, engine: Any, mount: str) -> None:  # noqa: ANN401 - the stubs leave responses untyped
        self._engine = engine
        self._at = {"mount_point": mount}

    def write(self, path: str, secret: dict[str, str], metadata: dict[str, str]) -> None:
        response = self._engine.create_or_update_secret(path, secret, **self._at)
        version = str(response["data"]["version"])
        metadata = metadata | {"version": version}
        self._engine.update_metadata(path, custom_metadata=metadata, **self._at)

    def read(self, path: str, key: SecretKey) -> StoredSecret | None:
        from hvac.exceptions import InvalidPath

        try:
            response = self._engine.read_secret_version(
                path, raise_on_deleted_version=True, **self._at
            )
        except InvalidPath:
            return None
        return StoredSecret.from_document(key, json.dumps(response["data"]["data"]))

    def delete(self, path: str) -> None:
        self._engine.delete_metadata_and_all_versions(path, **self._at)

    def names(self, folder: str) -> list[str]:
        from hvac.exceptions import InvalidPath

        try:
            names: list[str] = self._engine.list_secrets(folder, **self._at)["data"]["keys"]
        except InvalidPath:
            return []
        return names

    def entry(self, path: str, key: SecretKey) -> StoredEntry | None:
        from hvac.exceptions import InvalidPath

        try:
            data = self._engine.read_secret_metadata(path, **self._at)["data"]
        except InvalidPath:  # another process has just removed it
            return None
        version = str(data["current_version"])
        metadata = data["custom_metadata"] or {}
        state = data["versions"].get(version, {})
        deleted = state.get("deletion_time") or state.get("destroyed")
        if metadata.get("version") == version and not deleted:
            with contextlib.suppress(ValidationError):
                return StoredEntry.model_validate(metadata)
        return self.read(path, key)


def _variable(name: str, instead: str = "") -> str:
    value = os.environ.get(name)
    if not value:
        raise StoreError(f"The vault store needs {name}{instead}.")
    return value
