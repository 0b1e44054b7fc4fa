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
        return f"the file {self._folder.path / key.file_name}"

    def check(self) -> None:
        """Write to the folder."""
        self._folder.check()

    def put(self, key: SecretKey, secret: SecretStr) -> None:
        """Write the file atomically."""
        self._folder.write(key.file_name, StoredSecret.now(key, secret).document())

    def get(self, key: SecretKey) -> StoredSecret | None:
        """Read the file."""
        document = self._folder.read(key.file_name)
        return None if document is None else StoredSecret.from_document(key, document)

    def remove(self, key: SecretKey) -> None:
        """Remove the file."""
        self._folder.remove(key.file_name)

    def entries(self, project_id: str) -> list[StoredEntry]:
        """Read every file of the project."""
        keys = map(SecretKey.of_file_name, self._folder.names())
        return list_entries(keys, project_id, self.get)
