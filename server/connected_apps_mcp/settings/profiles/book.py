"""The profiles of the user: one file each in the user's config folder."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from connected_apps_mcp.settings.credentials import SettingsError
from connected_apps_mcp.settings.folders import user_folder
from connected_apps_mcp.settings.types import PROFILE_NAME
from connected_apps_tools.secrets.stores.os_keyring import real_backend
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.private_folder import PrivateFolder
from connected_apps_tools.text.printable import did_you_mean

from .places import Place, place_of
from .profile import Damaged, KeptIn, Profile

ENDING = ".toml"


class DamagedProfile(SettingsError):
    """The file of a profile cannot be understood."""


class Profiles:
    """The profiles of the user. Every method raises `SettingsError`.

    The secret of a project is in the OS keyring, or in a file of its own (0600).
    """

    def __init__(self) -> None:
        config = user_folder("config")
        self._files = PrivateFolder(config / "profiles", within=config)
        self._secrets = PrivateFolder(config / "credentials", within=config)

    def names(self) -> list[str]:
        """The names of all profiles, sorted."""
        with _explained():
            files = self._files.names()
        ours = re.compile(f"({PROFILE_NAME}){re.escape(ENDING)}")
        return [found[1] for file in files if (found := ours.fullmatch(file))]

    def find(self, name: str) -> Profile | None:
        """The profile of this name; None where there is none.

        Raises:
            DamagedProfile: its file is damaged.
        """
        path = self._files.path / (name + ENDING)
        with _explained():
            text = self._files.read(path.name)
        try:
            return None if text is None else Profile.from_toml(text)
        except Damaged as error:
            raise DamagedProfile(f"{path}: {error}. Correct it, or log in again.") from None

    def get(self, name: str) -> Profile:
        """The profile of this name.

        Raises:
            SettingsError: there is none.
        """
        if found := self.find(name):
            return found
        raise self._unknown(name)

    def put(self, name: str, profile: Profile, secret: SecretStr) -> list[str]:
        """Store a profile with its secret, and replace an earlier one of this name.

        The secret comes first: a profile without one is of no use. An earlier secret in another
        place goes last.

        Returns:
            The places that still have an earlier secret, since they do not answer.
        """
        earlier = self._places_of_secret(name)
        with _explained():
            self._place(name, profile.secret_in).write(secret.get_secret_value())
            self._files.write(name + ENDING, profile.to_toml())
        stay = []
        for place in (self._place(name, each) for each in earlier - {profile.secret_in}):
            try:
                place.remove()
            except StoreError:
                stay.append(str(place))
        return stay

    def remove(self, name: str) -> None:
        """Remove a profile and its secret."""
        places = self._places_of_secret(name)
        if not places:
            raise self._unknown(name)
        file = name + ENDING
        with _explained(f" The profile stays. Or remove {self._files.path / file} by hand."):
            for each in places:
                self._place(name, each).remove()
        with _explained():
            self._files.remove(file)

    def _places_of_secret(self, name: str) -> set[KeptIn]:
        """Where the secret of a profile may be: anywhere if its file is damaged."""
        try:
            found = self.find(name)
        except DamagedProfile:
            return {"file", self.best_place()}
        return {found.secret_in} if found else set()

    def secret_of(self, name: str, kept_in: KeptIn) -> SecretStr:
        """The secret of the project.

        Raises:
            SettingsError: it is not there, or cannot be read.
        """
        place = self._place(name, kept_in)
        with _explained(f" Or run connected-apps-mcp login --profile {name}, to store it anew."):
            secret = place.read()
        if secret is None:
            raise SettingsError(
                f"The secret of profile {name} is not in {place}. Run connected-apps-mcp login "
                f"--profile {name}."
            )
        return SecretStr(secret)

    def best_place(self) -> KeptIn:
        """The OS keyring if it responds, else a file."""
        return "keyring" if real_backend() else "file"

    def where(self, name: str, kept_in: KeptIn) -> str:
        """Where the secret is, for a person; reads nothing."""
        return str(self._place(name, kept_in))

    def _unknown(self, name: str) -> SettingsError:
        names = self.names()
        there_are = f" There are: {', '.join(names)}." if names else ""
        return SettingsError(
            f"There is no profile {name}.{did_you_mean(name, names)}{there_are} To make it, run "
            f"connected-apps-mcp login --profile {name}."
        )

    def _place(self, name: str, kept_in: KeptIn) -> Place:
        return place_of(name, kept_in, self._secrets)


@contextmanager
def _explained(way_out: str = "") -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise SettingsError(f"{error}{way_out}") from None
