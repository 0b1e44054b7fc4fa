"""Where the secret of a project is: the OS keyring, or a file that only its owner may read."""

from typing import Protocol

from connected_apps_tools.secrets.stores.os_keyring import SERVICE, KeyringItem
from connected_apps_tools.storage.private_folder import PrivateFolder

from .profile import KeptIn


class Place(Protocol):
    """A place for one secret. Every method raises `StoreError`; the text of it is for a person."""

    def read(self) -> str | None:
        """The secret; None if it is not there."""
        ...

    def write(self, secret: str) -> None:
        """Store the secret, and replace an earlier one."""
        ...

    def remove(self) -> None:
        """Remove the secret. It is no error if there is none."""
        ...


class _Keyring(KeyringItem):
    def __str__(self) -> str:
        return f"the OS keyring, service {SERVICE}, user {self.user}"


class _File:
    def __init__(self, folder: PrivateFolder, name: str) -> None:
        self._folder, self._name = folder, name

    def __str__(self) -> str:
        return f"the file {self._folder.path / self._name}"

    def read(self) -> str | None:
        return self._folder.read(self._name)

    def write(self, secret: str) -> None:
        self._folder.write(self._name, secret)

    def remove(self) -> None:
        self._folder.remove(self._name)


def place_of(name: str, kept_in: KeptIn, folder: PrivateFolder) -> Place:
    """The place for the secret of this profile; a file of it is in `folder`."""
    return _Keyring(f"profile/{name}") if kept_in == "keyring" else _File(folder, name)
