"""What every store has in common: the protocol, and the form in which a secret is kept."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, ValidationError

Which = Literal["current", "next"]
"""The secret that an app has, or the one that a rotation under way will give it."""

StoreKind = Literal["auto", "keyring", "file", "aws", "vault", "none"]
"""What an operator can choose."""


class StoreError(Exception):
    """A store could not be read or written.

    The text names the store and the way out. It holds no secret, and nothing that a library or a
    server said.
    """


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
        """The name of a file about it, which starts with the project's segment and a dot."""
        return ".".join([*self.segments, "json"])


def segment(text: str) -> str:
    """An id as one segment of a name, in the characters that every store allows.

    The ids that the service gives stay as they are. Whatever else arrives is escaped instead of
    refused: an odd id must neither point at another place nor cost the secret.
    """
    return re.sub("[^A-Za-z0-9_-]", _escaped, text)


def _escaped(character: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in character[0].encode(errors="surrogatepass"))


class Entry(BaseModel):
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


class StoredSecret(Entry):
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

    def entry(self) -> Entry:
        """It, without the secret."""
        return Entry(**self.model_dump(exclude={"secret"}))

    def document(self) -> str:
        """It, as the JSON that a store keeps."""
        kept = self.model_dump(mode="json", exclude={"secret"})
        return json.dumps(kept | {"secret": self.secret.get_secret_value()})

    @classmethod
    def from_document(cls, document: str) -> Self:
        """It, from what a store has kept.

        Raises:
            StoreError: the document is damaged. Its content is not quoted.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError:
            raise StoreError("a stored secret is damaged: rotate the app's secret") from None


class SecretStore(Protocol):
    """A place for secrets. Every method raises `StoreError`, and blocks."""

    @property
    def kind(self) -> str:
        """The backend's name, as the setting has it."""
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

    def entries(self, project_id: str) -> list[Entry]:
        """What is kept for a project, by client_id and which, without a secret."""
        ...


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries by client_id and which, as a store lists them."""
    return sorted(entries, key=lambda entry: (entry.client_id, entry.which))


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


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports of a library that only one store needs.

    Raises:
        StoreError: it is not installed.
    """
    try:
        yield
    except ImportError:
        raise StoreError(
            f"the {name} store is not installed: pip install 'connected-apps-mcp[{name}]'"
        ) from None
