"""Stores secrets as files in a folder that only their owner can read."""

from pathlib import Path

from pydantic import SecretStr

from connected_apps_tools.storage.private_folder import PrivateFolder

from .base import SecretKey, StoredEntry, StoredSecret, list_entries


class FileStore:
    """One file (0600) per secret, in one folder (0700)."""

    kind = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = PrivateFolder(folder, within=folder.parent)

    @property
    def where(self) -> str:
        """The folder."""
        return f"the folder {self._folder.path}"

    def location(self, key: SecretKey) -> str:
        """The path of the file."""
        return f"the file {self._folder.path / self._name(key)}"

    def check(self) -> None:
        """Write to the folder."""
        self._folder.check()

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Write the file atomically."""
        self._folder.write(self._name(key), StoredSecret.now(key, secret).document())

    def get(self, key: SecretKey) -> StoredSecret | None:
        """Read the file."""
        document = self._folder.read(self._name(key))
        return None if document is None else StoredSecret.from_document(key, document)

    def remove(self, key: SecretKey) -> None:
        """Remove the file."""
        self._folder.remove(self._name(key))

    def entries(self, project_id: str) -> list[StoredEntry]:
        """Read every file of the project."""
        keys = map(SecretKey.of_file_name, self._folder.names())
        return list_entries(keys, project_id, self.get)

    def _name(self, key: SecretKey) -> str:
        """The name of the file of a key, or the name that an earlier version gave it."""
        earlier = key.earlier_file_name
        is_there = earlier != key.file_name and earlier in self._folder.names()
        return earlier if is_there else key.file_name
