"""Secrets in the KV engine, version 2, of HashiCorp Vault or OpenBao."""

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

from .base import SecretKey, StoredEntry, StoredSecret, failures, listed, segment
from .installation import require_library

if TYPE_CHECKING:
    import hvac

TIMEOUT_SECONDS = 8

_STRANGE = "does not answer as version 2 of its KV engine does: see VAULT_ADDR and the mount."
_ADVICE = {
    "Forbidden": "denied the access: renew the token, and allow what docs/secrets.md lists.",
    "InvalidPath": "has no KV engine at this mount: enable version 2 there, or name another mount.",
    "VaultDown": "is sealed or in maintenance: unseal it.",
    "VaultNotInitialized": "is not initialized: initialize and unseal it.",
    "RateLimitExceeded": "allows no more requests now: try again in a while.",
    "TooManyRedirects": "redirects to another address: set VAULT_ADDR to that one.",
    "KeyError": _STRANGE,
    "TypeError": _STRANGE,
    "SSLError": "has a certificate that is not trusted: set VAULT_CACERT.",
}
_LOGIN_ADVICE = _ADVICE | dict.fromkeys(
    ["InvalidRequest", "Forbidden", "InvalidPath"],
    "refused the AppRole login: see whether VAULT_ROLE_ID and VAULT_SECRET_ID are valid.",
)

_T = TypeVar("_T")


@dataclass(frozen=True)
class AppRole:
    """What a machine logs in with, for a token that expires."""

    role_id: str
    secret_id: SecretStr = field(repr=False)


class VaultStore:
    """One secret of the KV engine a secret, with its entry as custom metadata.

    Raises:
        StoreError: the address is not https, unless it is on this machine.
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
        """A store as Vault's own variables name it. AppRole goes before a token: it can be renewed.

        Raises:
            StoreError: a variable is missing. It is named.
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

    def place(self, key: SecretKey) -> str:
        """The path of the secret."""
        return f"the Vault secret {self._path(key)} in the mount {self._mount} of {self._address}"

    def check(self) -> None:
        """Write a probe with its metadata, and delete it."""
        path = f"{self._prefix}/probe"

        def probe(kv: _Kv) -> None:
            kv.write(path, {"probe": "probe"}, {})
            kv.delete(path)

        self._ask(probe)

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Write the secret, then its metadata."""
        stored = StoredSecret.now(key, secret)
        metadata = stored.entry().model_dump(mode="json")
        self._ask(lambda kv: kv.write(self._path(key), json.loads(stored.document()), metadata))

    def get(self, key: SecretKey) -> StoredSecret | None:
        """Read the secret. One whose last version is deleted is none."""
        return self._ask(lambda kv: kv.read(self._path(key), key))

    def forget(self, key: SecretKey) -> None:
        """Delete the secret, all its versions and its metadata."""
        self._ask(lambda kv: kv.delete(self._path(key)))

    def entries(self, project_id: str) -> list[StoredEntry]:
        """Read the metadata of the project's secrets.

        A secret itself is read only where its metadata is not that of its last version, since
        the process that wrote it has died in between, or is damaged.
        """
        project = segment(project_id)

        def find(kv: _Kv) -> list[StoredEntry]:
            clients = [name.rstrip("/") for name in kv.names(f"{self._prefix}/{project}")]
            keys = [
                SecretKey.of_segments([project, client, which])
                for client in clients
                for which in kv.names(f"{self._prefix}/{project}/{client}")
            ]
            return listed(keys, project_id, lambda key: kv.entry(self._path(key), key))

        return self._ask(find)

    def _path(self, key: SecretKey) -> str:
        return "/".join([self._prefix, *key.segments])

    def _ask(self, question: Callable[[_Kv], _T]) -> _T:
        """What Vault answers; an expired token of an AppRole is renewed once."""
        with failures("Vault", _ADVICE):
            require_library("vault")
            from hvac.exceptions import Forbidden

            token = self._token_other_than("")
            try:
                return self._answer(question, token)
            except Forbidden:
                renewed = self._token_other_than(token)
                if renewed == token:
                    raise
            return self._answer(question, renewed)

    def _answer(self, question: Callable[[_Kv], _T], token: str) -> _T:
        with self._connection(token) as client:
            return question(_Kv(client.secrets.kv.v2, self._mount))

    def _token_other_than(self, refused: str) -> str:
        """The token, after a login where it is the refused one and there is an AppRole."""
        if isinstance(self._auth, SecretStr):
            return self._auth.get_secret_value()
        with self._login:  # one for all threads
            if self._token == refused:
                self._token = self._logged_in(self._auth)
            return self._token

    def _logged_in(self, role: AppRole) -> str:
        with failures("Vault", _LOGIN_ADVICE), self._connection("") as client:
            answer = client.auth.approle.login(role.role_id, role.secret_id.get_secret_value())
            token: str = answer["auth"]["client_token"]
        REDACTOR.add(token)
        return token

    @contextlib.contextmanager
    def _connection(self, token: str) -> Iterator[hvac.Client]:
        """A client for one question, since neither it nor its session is for several threads."""
        import hvac
        import requests

        with requests.Session() as session:
            session.max_redirects = 0  # whoever is redirected to would be given the token
            yield hvac.Client(
                self._address,
                token,
                timeout=TIMEOUT_SECONDS,
                session=session,
                namespace=self._namespace,
            )


class _Kv:
    """The few operations on one mount, with answers as we need them."""

    def __init__(self, engine: Any, mount: str) -> None:  # noqa: ANN401 - the stubs leave answers untyped
        self._engine = engine
        self._at = {"mount_point": mount}

    def write(self, path: str, secret: dict[str, str], metadata: dict[str, str]) -> None:
        answer = self._engine.create_or_update_secret(path, secret, **self._at)
        version = str(answer["data"]["version"])
        metadata = metadata | {"version": version}
        self._engine.update_metadata(path, custom_metadata=metadata, **self._at)

    def read(self, path: str, key: SecretKey) -> StoredSecret | None:
        from hvac.exceptions import InvalidPath

        try:
            answer = self._engine.read_secret_version(
                path, raise_on_deleted_version=True, **self._at
            )
        except InvalidPath:
            return None
        return StoredSecret.from_document(key, json.dumps(answer["data"]["data"]))

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
        except InvalidPath:  # another process has just forgotten it
            return None
        version = str(data["current_version"])
        metadata = data["custom_metadata"] or {}
        state = data["versions"].get(version, {})
        doubtful = state.get("deletion_time") or state.get("destroyed")
        if metadata.get("version") == version and not doubtful:
            with contextlib.suppress(ValidationError):
                return StoredEntry.model_validate(metadata)
        return self.read(path, key)


def _variable(name: str, instead: str = "") -> str:
    value = os.environ.get(name)
    if not value:
        raise StoreError(f"The vault store needs {name}{instead}.")
    return value
