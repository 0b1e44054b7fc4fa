"""The protocol of every store, and the format of a stored secret."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, Self
from urllib.parse import unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, ValidationError

from connected_apps_tools.storage.errors import StoreError

Which = Literal["current", "next"]
"""The app's secret, or the one that a rotation under way will make current."""

StoreKind = Literal["auto", "keyring", "file", "aws", "vault", "none"]
"""The stores that an operator can choose."""


LOWER_CASE = "a-z0-9_-"
"""What an id keeps in the name of a file. The ids of the service have nothing else."""


@dataclass(frozen=True)
class SecretKey:
    """Identifies a secret: project, app, and current or next."""

    project_id: str
    client_id: str
    which: Which = "current"

    @property
    def segments(self) -> tuple[str, str, str]:
        """The parts of the secret's name in a store."""
        return segment(self.project_id), segment(self.client_id), self.which

    @property
    def file_name(self) -> str:
        """The name of its file. No two names differ by case alone: many file systems ignore it."""
        ids = [segment(text, LOWER_CASE) for text in (self.project_id, self.client_id)]
        return ".".join([*ids, self.which, "json"])

    @property
    def earlier_file_name(self) -> str:
        """The name that an earlier version gave its file: with capital letters as they are."""
        return ".".join([*self.segments, "json"])

    @classmethod
    def of_segments(cls, segments: Sequence[str]) -> Self | None:
        """The key with these segments; None if they are not those of a key."""
        match segments:
            case [project, client, ("current" | "next") as which]:
                return cls(_unescaped(project), _unescaped(client), which)
        return None

    @classmethod
    def of_file_name(cls, name: str) -> Self | None:
        """The key of a file; None if the name is not one of ours."""
        *segments, ending = name.split(".")
        return cls.of_segments(segments) if ending == "json" else None


def segment(text: str, kept: str = "A-Za-z0-9_-") -> str:
    """An id as one segment of a name, with characters that every store allows.

    The service's ids are unchanged. Other ids are escaped, not refused: an odd id must neither lead
    to another place nor lose the secret.
    """
    return re.sub(f"[^{kept}]", _escaped, text)


def _escaped(character: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in character[0].encode(errors="surrogatepass"))


def _unescaped(segment: str) -> str:
    return unquote(segment.replace("=", "%"), errors="surrogatepass")


class DamagedSecret(StoreError):
    """The data under a key is not a stored secret. It can be removed or replaced."""

    def __init__(self, key: SecretKey) -> None:
        super().__init__(
            f"the {key.which} secret of {key.client_id} is damaged in the store: delete it with "
            "connected-apps-mcp secrets forget, or rotate the app's secret to replace it"
        )


class PartlyListed(StoreError):
    """Some stored secrets could not be listed.

    Attributes:
        entries: those that could.
    """

    def __init__(self, entries: "Sequence[StoredEntry]", problems: Iterable[StoreError]) -> None:
        super().__init__("; ".join(dict.fromkeys(map(str, problems))))
        self.entries = entries


class StoredEntry(BaseModel):
    """A description of a stored secret, without the secret."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    project_id: str
    client_id: str
    which: Which
    last_four: str
    stored_at: AwareDatetime

    @property
    def key(self) -> SecretKey:
        """The key of the secret."""
        return SecretKey(self.project_id, self.client_id, self.which)

    def without_secret(self) -> "StoredEntry":
        """The entry without the secret."""
        return StoredEntry(**self.model_dump(include=set(StoredEntry.model_fields)))


class StoredSecret(StoredEntry):
    """A stored secret."""

    secret: SecretStr

    @classmethod
    def now(cls, key: SecretKey, secret: SecretStr) -> Self:
        """A secret, to be stored now."""
        return cls(
            project_id=key.project_id,
            client_id=key.client_id,
            which=key.which,
            last_four=secret.get_secret_value()[-4:],
            stored_at=datetime.now(UTC),
            secret=secret,
        )

    def document(self) -> str:
        """The stored secret as JSON, for a store."""
        entry = self.model_dump(mode="json", exclude={"secret"})
        return json.dumps(entry | {"secret": self.secret.get_secret_value()})

    @classmethod
    def from_document(cls, key: SecretKey, document: str) -> Self:
        """The stored secret in the JSON of a store.

        Raises:
            DamagedSecret: the JSON is damaged. It is not quoted.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError:
            raise DamagedSecret(key) from None


class SecretStore(Protocol):
    """A store for secrets. Every method raises `StoreError`, and blocks.

    Only `get` and `entries` read secrets, so only they find a damaged one.
    """

    @property
    def kind(self) -> str:
        """The kind of the store, as in the setting."""
        ...

    @property
    def where(self) -> str:
        """Where all secrets are stored, for a person; reads nothing."""
        ...

    def location(self, key: SecretKey) -> str:
        """Where one secret is stored, for a person; reads nothing."""
        ...

    def check(self) -> None:
        """Check that the store can be written, by writing to it."""
        ...

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Store a secret, and replace an earlier one under the same key."""
        ...

    def get(self, key: SecretKey) -> StoredSecret | None:
        """The secret; None if there is none."""
        ...

    def remove(self, key: SecretKey) -> None:
        """Remove a secret. It is no error if there is none."""
        ...

    def entries(self, project_id: str) -> list[StoredEntry]:
        """The entries of a project, sorted by client_id and which.

        Raises:
            PartlyListed: some secrets are damaged.
        """
        ...


def list_entries(
    keys: Iterable[SecretKey | None],
    project_id: str,
    read: Callable[[SecretKey], StoredEntry | None],
) -> list[StoredEntry]:
    """The sorted entries of the keys that belong to the project.

    Raises:
        PartlyListed: some secrets are damaged.
    """
    entries, damaged = [], []
    ours = {key for key in keys if key and key.project_id == project_id}
    for key in sorted(ours, key=lambda key: (key.client_id, key.which)):
        try:
            found = read(key)
        except DamagedSecret as error:
            damaged.append(error)
        else:
            entries += [found.without_secret()] if found else []
    if damaged:
        raise PartlyListed(entries, damaged)
    return entries


def error_name(error: Exception) -> str:
    """The name of an error's class."""
    return type(error).__name__


@contextlib.contextmanager
def store_errors(
    store: str, advice: Mapping[str, str], kind: Callable[[Exception], str] = error_name
) -> Iterator[None]:
    """Turn every error inside into a `StoreError` with our own text.

    A library's error may quote a request or a response. So only its kind is used, to choose the
    advice.

    Raises:
        StoreError: for every other error.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - a backend raises what its platform raises
        default = "could not be used: check that it can be reached, and try again."
        raise StoreError(f"{store} {advice.get(kind(error), default)}") from None
