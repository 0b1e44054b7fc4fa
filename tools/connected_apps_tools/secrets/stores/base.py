"""What every store has in common: the protocol, and the form in which a secret is kept."""

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
"""The secret that an app has, or the one that a rotation under way will give it."""

StoreKind = Literal["auto", "keyring", "file", "aws", "vault", "none"]
"""What an operator can choose."""


@dataclass(frozen=True)
class SecretKey:
    """Which secret of which app of which project."""

    project_id: str
    client_id: str
    which: Which = "current"

    @property
    def segments(self) -> tuple[str, str, str]:
        """What a store names the secret by."""
        return segment(self.project_id), segment(self.client_id), self.which

    @property
    def file_name(self) -> str:
        """The name of a file about it."""
        return ".".join([*self.segments, "json"])

    @classmethod
    def of_segments(cls, segments: Sequence[str]) -> Self | None:
        """The key that is named by these; None where they are none of a key's."""
        match segments:
            case [project, client, ("current" | "next") as which]:
                return cls(_unescaped(project), _unescaped(client), which)
        return None

    @classmethod
    def of_file_name(cls, name: str) -> Self | None:
        """The key that a file is about; None where the name is none of ours."""
        *segments, ending = name.split(".")
        return cls.of_segments(segments) if ending == "json" else None


def segment(text: str) -> str:
    """An id as one segment of a name, in the characters that every store allows.

    The ids that the service gives stay as they are. Whatever else arrives is escaped instead of
    refused: an odd id must neither point at another place nor cost the secret.
    """
    return re.sub("[^A-Za-z0-9_-]", _escaped, text)


def _escaped(character: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in character[0].encode(errors="surrogatepass"))


def _unescaped(segment: str) -> str:
    return unquote(segment.replace("=", "%"), errors="surrogatepass")


class DamagedSecret(StoreError):
    """What is kept under a key is not what was put there. It can be forgotten and replaced."""

    def __init__(self, key: SecretKey) -> None:
        super().__init__(
            f"the {key.which} secret of {key.client_id} is damaged in the store: forget it there, "
            "or replace it by rotating the app's secret"
        )


class PartlyListed(StoreError):
    """Not all that is kept could be listed.

    Attributes:
        entries: what could be.
    """

    def __init__(self, entries: "Sequence[StoredEntry]", problems: Iterable[StoreError]) -> None:
        super().__init__("; ".join(dict.fromkeys(map(str, problems))))
        self.entries = entries


class StoredEntry(BaseModel):
    """What may be told of a stored secret."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    project_id: str
    client_id: str
    which: Which
    last_four: str
    stored_at: AwareDatetime

    @property
    def key(self) -> SecretKey:
        """Whose secret it is."""
        return SecretKey(self.project_id, self.client_id, self.which)

    def entry(self) -> "StoredEntry":
        """It, without a secret."""
        return StoredEntry(**self.model_dump(include=set(StoredEntry.model_fields)))


class StoredSecret(StoredEntry):
    """A stored secret itself."""

    secret: SecretStr

    @classmethod
    def now(cls, key: SecretKey, secret: SecretStr) -> Self:
        """A secret as it is about to be stored."""
        return cls(
            project_id=key.project_id,
            client_id=key.client_id,
            which=key.which,
            last_four=secret.get_secret_value()[-4:],
            stored_at=datetime.now(UTC),
            secret=secret,
        )

    def document(self) -> str:
        """It, as the JSON that a store keeps."""
        kept = self.model_dump(mode="json", exclude={"secret"})
        return json.dumps(kept | {"secret": self.secret.get_secret_value()})

    @classmethod
    def from_document(cls, key: SecretKey, document: str) -> Self:
        """It, from what a store has kept under a key.

        Raises:
            DamagedSecret: the document is damaged. Its content is not quoted.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError:
            raise DamagedSecret(key) from None


class SecretStore(Protocol):
    """A place for secrets. Every method raises `StoreError`, and blocks.

    Only `get` and `entries` look at what is kept, so only they find it damaged.
    """

    @property
    def kind(self) -> str:
        """The backend's name, as the setting has it."""
        ...

    @property
    def where(self) -> str:
        """Where everything is kept, in words; nothing is looked up."""
        ...

    def place(self, key: SecretKey) -> str:
        """Where a person finds the secret, in words; nothing is looked up."""
        ...

    def check(self) -> None:
        """Prove that the store can be written, by writing to it."""
        ...

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Keep a secret, in place of an earlier one under the same key."""
        ...

    def get(self, key: SecretKey) -> StoredSecret | None:
        """The secret, or None where none is kept."""
        ...

    def forget(self, key: SecretKey) -> None:
        """Keep it no longer; that none is there is no error."""
        ...

    def entries(self, project_id: str) -> list[StoredEntry]:
        """What is kept for a project, by client_id and which, without a secret.

        Raises:
            PartlyListed: some of it is damaged.
        """
        ...


def listed(
    keys: Iterable[SecretKey | None],
    project_id: str,
    read: Callable[[SecretKey], StoredEntry | None],
) -> list[StoredEntry]:
    """What is kept under those of the keys that are the project's, as a store lists it.

    Raises:
        PartlyListed: some of it is damaged.
    """
    entries, damaged = [], []
    ours = [key for key in keys if key and key.project_id == project_id]
    for key in sorted(ours, key=lambda key: (key.client_id, key.which)):
        try:
            found = read(key)
        except DamagedSecret as error:
            damaged.append(error)
        else:
            entries += [found.entry()] if found else []
    if damaged:
        raise PartlyListed(entries, damaged)
    return entries


def name_of(error: Exception) -> str:
    """An error's kind."""
    return type(error).__name__


@contextlib.contextmanager
def failures(
    store: str, advice: Mapping[str, str], kind: Callable[[Exception], str] = name_of
) -> Iterator[None]:
    """What goes wrong inside, told in our own words.

    A library's error may quote what was sent or answered, so nothing of it is kept but its kind,
    by which the advice is chosen.

    Raises:
        StoreError: for every error that is not already one.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - a backend raises what its platform raises
        default = "could not be used: see whether it can be reached, and try again."
        raise StoreError(f"{store} {advice.get(kind(error), default)}") from None
